import type { ProbeTalk } from './probe.ts'

/** Being connected is all. */
export const tcpTalk: ProbeTalk = {
  announced: null,
  hello: () => null,
  heard: () => null,
  ended: () => null,
  goodbye: () => null,
}
