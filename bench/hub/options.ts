import { parseRoundsOptions, type RoundsOptions } from '../parse-options.ts'
import { type ContenderName, contenderNames } from './contenders.ts'
import { type HubPace, type HubWorkName, hubWorkNames } from './work.ts'

export type HubBenchOptions = RoundsOptions<ContenderName, HubWorkName, HubPace>

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
  idle: 9000,
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

export function parseHubOptions(args: readonly string[]): HubBenchOptions {
  const paces = { default: defaultPace, quick: quickPace, smoke: smokePace }
  const names = contenderNames
  return parseRoundsOptions(args, { names, defaultNames: names, works: hubWorkNames, paces })
}
