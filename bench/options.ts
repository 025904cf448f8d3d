import { parseRoundsOptions, type RoundsOptions } from './parse-options.ts'
import { type PeerName, peerNames } from './peers.ts'
import type { Pace } from './work.ts'
import { type WorkName, workNames } from './work-names.ts'

export type BenchOptions = RoundsOptions<PeerName, WorkName, Pace>

const defaultPeers = peerNames.filter((name) => name !== 'ws-relay')

export const usage = `npm run bench -- [options]
  --only LIST    peers: ${peerNames.join(', ')} (default: all but ws-relay)
  --work LIST    measurements: ${workNames.join(', ')}
  --rounds N     rounds; the median of them is reported (default 5)
  --quick        short and rough: about a minute instead of six
  --out FOLDER   where the result goes as Markdown and JSON (default bench/results)
  --smoke        only to see that everything runs: the figures mean nothing
  --help`

const defaultPace: Pace = {
  rounds: 5,
  warmUpMs: 1000,
  warmMs: 200,
  measureMs: 800,
  latencyMs: 800,
  tunnels: 4000,
  memoryRounds: 2,
}
const quickPace: Pace = {
  rounds: 2,
  warmUpMs: 500,
  warmMs: 100,
  measureMs: 400,
  latencyMs: 400,
  tunnels: 2000,
  memoryRounds: 1,
}
const smokePace: Pace = {
  rounds: 1,
  warmUpMs: 50,
  warmMs: 20,
  measureMs: 100,
  latencyMs: 100,
  tunnels: 100,
  memoryRounds: 1,
}

export function parseOptions(args: readonly string[]): BenchOptions {
  const paces = { default: defaultPace, quick: quickPace, smoke: smokePace }
  return parseRoundsOptions(args, { names: peerNames, defaultNames: defaultPeers, works: workNames, paces })
}
