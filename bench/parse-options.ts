import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageFolder } from './runtimes.ts'

/** What the programs that measure in rounds take from the command line. */
export interface RoundsOptions<Name extends string, Work extends string, P extends Rounds> {
  /** Who is measured. */
  readonly names: readonly Name[]
  readonly works: readonly Work[]
  readonly pace: P
  /** Where the result goes. */
  readonly out: string
  readonly help: boolean
}

interface Rounds {
  readonly rounds: number
  readonly memoryRounds: number
}

interface Allowed<Name extends string, Work extends string, P extends Rounds> {
  readonly names: readonly Name[]
  readonly defaultNames: readonly Name[]
  readonly works: readonly Work[]
  readonly paces: Readonly<Record<'default' | 'quick' | 'smoke', P>>
}

/** The options of the command line; throws with a sentence for the user when they make no sense. */
export function parseRoundsOptions<Name extends string, Work extends string, P extends Rounds>(
  args: readonly string[],
  { names, defaultNames, works, paces }: Allowed<Name, Work, P>,
): RoundsOptions<Name, Work, P> {
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
  const { only, work, rounds, quick, smoke, out, help } = values
  const pace = paces[smoke ? 'smoke' : quick ? 'quick' : 'default']
  return {
    names: only === undefined ? defaultNames : parseList('--only', only, names),
    works: work === undefined ? works : parseList('--work', work, works),
    pace: rounds === undefined ? pace : withRounds(pace, parseRounds(rounds)),
    out,
    help,
  }
}

function withRounds<P extends Rounds>(pace: P, rounds: number): P {
  return { ...pace, rounds, memoryRounds: Math.min(rounds, pace.memoryRounds) }
}

/** Value of `--rounds`; throws with a sentence for the user. */
function parseRounds(text: string): number {
  const rounds = /^\d{1,2}$/.test(text) ? Number(text) : 0
  if (rounds === 0) throw new Error(`--rounds takes a number from 1 to 99, not ${text}`)
  return rounds
}

/** Value of an option that takes names with commas between, in the order of those allowed. */
export function parseList<T extends string>(
  option: string,
  text: string,
  allowed: readonly T[],
): readonly T[] {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !allowed.includes(name as T))
  if (unknown !== undefined)
    throw new Error(`${option} takes ${allowed.join(', ')}, not ${JSON.stringify(unknown)}`)
  return allowed.filter((name) => names.includes(name))
}
