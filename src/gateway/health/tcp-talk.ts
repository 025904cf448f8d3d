import type { ProbeTalk } from './probe.ts'

/** Being connected is all. */
export const tcpTalk: ProbeTalk = {
  hello: () => null,
  heard: () => null,
  ended: () => null,
  goodbye: () => null,
}
