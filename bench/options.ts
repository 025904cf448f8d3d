import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseList, parseRounds } from './parse-options.ts'
import { type PeerName, peerNames } from './peers.ts'
import { packageFolder } from './runtimes.ts'
import type { Pace } from './work.ts'
import { type WorkName, workNames } from './work-names.ts'

export interface BenchOptions {
  readonly peers: readonly PeerName[]
  readonly works: readonly WorkName[]
  readonly pace: Pace
  readonly out: string
  readonly help: boolean
}

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

/** The options of the command line; throws with a sentence for the user when they make no sense. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      work: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string', default: join(packageFolder, 'bench/results') },
      smoke: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const pace = values.smoke ? smokePace : values.quick ? quickPace : defaultPace
  return {
    peers: values.only === undefined ? defaultPeers : parseList('--only', values.only, peerNames),
    works: values.work === undefined ? workNames : parseList('--work', values.work, workNames),
    pace: values.rounds === undefined ? pace : withRounds(pace, values.rounds),
    out: values.out,
    help: values.help,
  }
}

function withRounds(pace: Pace, text: string): Pace {
  const rounds = parseRounds(text)
  return { ...pace, rounds, memoryRounds: Math.min(rounds, pace.memoryRounds) }
}
