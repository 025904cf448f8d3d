import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseList, parseRounds } from '../parse-options.ts'
import { packageFolder } from '../runtimes.ts'
import { type ContenderName, contenderNames } from './contenders.ts'
import { type HubPace, type HubWorkName, hubWorkNames } from './work.ts'

export interface HubBenchOptions {
  readonly contenders: readonly ContenderName[]
  readonly works: readonly HubWorkName[]
  readonly pace: HubPace
  readonly out: string
  readonly help: boolean
}

export const usage = `npm run bench:hub -- [options]
  --only LIST    contenders: ${contenderNames.join(', ')} (default: all)
  --work LIST    measurements: ${hubWorkNames.join(', ')} (default: all)
  --rounds N     rounds; the median of them is reported (default 5)
  --quick        short and rough
  --out FOLDER   where the result goes as Markdown and JSON (default bench/results)
  --smoke        only to see that everything runs: the figures mean nothing
  --help`

const defaultPace: HubPace = {
  rounds: 5,
  memoryRounds: 2,
  // Each measurement begins in a fresh process, which compiles what is hot in this time.
  warmMs: 1000,
  measureMs: 1000,
  smallRoom: 1000,
  largeRoom: 9000,
  clusterRoom: 900,
  idle: 4000,
}
const quickPace: HubPace = { ...defaultPace, rounds: 2, memoryRounds: 1, warmMs: 600, measureMs: 400 }
const smokePace: HubPace = {
  rounds: 1,
  memoryRounds: 1,
  warmMs: 20,
  measureMs: 60,
  smallRoom: 50,
  largeRoom: 90,
  clusterRoom: 30,
  idle: 100,
}

/** The options of the command line; throws with a sentence for the user when they make no sense. */
export function parseHubOptions(args: readonly string[]): HubBenchOptions {
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
  const { only, work, rounds } = values
  return {
    contenders: only === undefined ? contenderNames : parseList('--only', only, contenderNames),
    works: work === undefined ? hubWorkNames : parseList('--work', work, hubWorkNames),
    pace: rounds === undefined ? pace : withRounds(pace, rounds),
    out: values.out,
    help: values.help,
  }
}

function withRounds(pace: HubPace, text: string): HubPace {
  const rounds = parseRounds(text)
  return { ...pace, rounds, memoryRounds: Math.min(rounds, pace.memoryRounds) }
}
