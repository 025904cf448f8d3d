import { z } from 'zod'
import { nearestWord } from '../nearest-word.ts'
import { allowedKeys, branches, schemaAt, valueAt } from './schema-walk.ts'

/** One mistake in the options, told so that it can be mended without looking anything up. */
export interface OptionProblem {
  /** Where: the keys from the top, as in `['pools', 'chat', 'backends', 0, 'weight']`. */
  readonly path: readonly (string | number)[]
  /** What is wrong there: the value, the key itself, or that nothing is there. */
  readonly about: 'value' | 'key' | 'missing'
  /** The path as people write it, as in `pools.chat.backends[0].weight`; empty for the whole. */
  readonly field: string
  /** What stands there, shortened; never a secret. */
  readonly found: string
  /** What is allowed there. */
  readonly expected: string
  /** A guess at what was meant. */
  readonly hint?: string
}

type Schema = z.core.$ZodType
type Issue = z.core.$ZodIssue
type Path = readonly (string | number)[]

/** The place an issue list speaks about: issue paths are relative to it. */
interface Place {
  readonly schema: Schema
  readonly value: unknown
  readonly path: Path
}

/** Turns zod's issues into problems; of a union it explains the branch that the user most likely meant. */
export function explainIssues(issues: readonly Issue[], schema: Schema, value: unknown): OptionProblem[] {
  return explainAt(issues, { schema, value, path: [] })
}

function explainAt(issues: readonly Issue[], place: Place): OptionProblem[] {
  const problems = issues.flatMap((issue) => explain(issue, place))
  // `adress: ...` is one mistake, not an unknown key and a missing one.
  const meant = new Set(problems.filter((p) => p.about === 'key' && p.hint !== undefined).map(meantField))
  return problems.filter((problem) => problem.about !== 'missing' || !meant.has(problem.field))
}

function explain(issue: Issue, place: Place): OptionProblem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(issue, key, place))
  if (issue.code === 'invalid_union') return explainUnion(issue, place)
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element') return [badKey(issue, place)]
  const path = fullPath(issue, place)
  const value = valueAt(place.value, issue.path)
  return [
    {
      path,
      about: value === undefined ? 'missing' : 'value',
      field: fieldName(path),
      found: describeFound(value, path),
      expected: describeExpected(issue, place),
    },
  ]
}

function unknownKey(issue: Issue, key: string, place: Place): OptionProblem {
  const path = [...fullPath(issue, place), key]
  const allowed = allowedKeys(place.schema, issue.path, place.value)
  const taken = valueAt(place.value, issue.path) as object
  const near = nearestWord(
    key,
    allowed.filter((name) => !Object.hasOwn(taken, name)),
  )
  return {
    path,
    about: 'key',
    field: fieldName(path),
    found: 'an unknown key',
    expected: list(allowed),
    ...(near === undefined ? {} : { hint: `did you mean '${near}'?` }),
  }
}

function meantField(problem: OptionProblem): string {
  const near = /^did you mean '(.*)'\?$/.exec(problem.hint as string)?.[1] as string
  return fieldName([...problem.path.slice(0, -1), near])
}

function badKey(issue: Issue & { readonly issues: readonly Issue[] }, place: Place): OptionProblem {
  const path = fullPath(issue, place)
  const cause = issue.issues[0]
  return {
    path,
    about: 'key',
    field: fieldName(path),
    found: `the name ${shorten(String(path.at(-1)))}`,
    expected: cause === undefined ? 'another name' : ownWords(cause.message, 'another name'),
  }
}

function explainUnion(issue: Issue & { readonly code: 'invalid_union' }, place: Place): OptionProblem[] {
  const schema = schemaAt(place.schema, issue.path, place.value) ?? place.schema
  const value = valueAt(place.value, issue.path)
  const path = fullPath(issue, place)
  const options = branches(schema).map((branch, index) => {
    const issues = issue.errors[index] ?? []
    return { issues, problems: explainAt(issues, { schema: branch, value, path }) }
  })
  const costs = options.map(({ issues, problems }) => cost(issues, problems, value))
  const best = options.filter((_, index) => costs[index] === Math.min(...costs))
  if (best.length === 1 || !best.every(({ problems }) => isAbout(problems, path)))
    return best[0]?.problems ?? []
  const all = best.flatMap(({ problems }) => problems)
  const expected = [...new Set(all.map((problem) => problem.expected))].join(', or ')
  return [{ ...(all[0] as OptionProblem), expected }]
}

/** How far a value is from a branch: a wrong type outweighs any number of wrong keys. */
function cost(issues: readonly Issue[], problems: readonly OptionProblem[], value: unknown): number {
  // A map where one of some words is expected is of the wrong type, too; and `true` is no slip of the pen for `false`.
  const wrongType = (issue: Issue) =>
    issue.code === 'invalid_type' ||
    (issue.code === 'invalid_value' && ['object', 'boolean'].includes(typeof value))
  if (issues.some((issue) => issue.path.length === 0 && wrongType(issue))) return 1_000_000
  return problems.reduce((sum, { about, hint }) => {
    if (about === 'value') return sum + 1
    return sum + (hint === undefined ? 3 : 2)
  }, 0)
}

function isAbout(problems: readonly OptionProblem[], path: Path): boolean {
  return problems.length === 1 && problems[0]?.path.length === path.length
}

function describeExpected(issue: Issue, place: Place): string {
  const own = ownWords(issue.message, undefined)
  if (own !== undefined) return own
  if (issue.code === 'invalid_value') return list(issue.values.map((value) => String(value)))
  if (issue.code === 'invalid_format') return formats[issue.format] ?? `text in the format ${issue.format}`
  const schema = schemaAt(place.schema, issue.path, place.value)
  if (issue.code === 'invalid_type') return describeType(issue.expected, schema, issue, place)
  if (issue.code === 'too_small' || issue.code === 'too_big') return describeBound(issue, schema)
  return issue.message
}

function describeType(expected: string, schema: Schema | undefined, issue: Issue, place: Place): string {
  if (expected === 'number' || expected === 'int') return describeNumber(schema)
  if (expected === 'object') {
    const keys = allowedKeys(place.schema, issue.path, place.value)
    return keys.length > 0 ? `a map with ${list(keys, 'and')}` : 'a map'
  }
  return types[expected] ?? expected
}

function describeNumber(schema: Schema | undefined): string {
  if (!(schema instanceof z.ZodNumber)) return 'a number'
  const kind = schema.format === 'safeint' ? 'a whole number' : 'a number'
  const from = Math.max(schema.minValue ?? -Infinity, Number.MIN_SAFE_INTEGER)
  const to = Math.min(schema.maxValue ?? Infinity, Number.MAX_SAFE_INTEGER)
  const bounded = [from > Number.MIN_SAFE_INTEGER, to < Number.MAX_SAFE_INTEGER]
  if (bounded[0]) return bounded[1] ? `${kind} from ${from} to ${to}` : `${kind} from ${from} up`
  return bounded[1] ? `${kind} up to ${to}` : kind
}

function describeBound(
  issue: Issue & { readonly code: 'too_small' | 'too_big' },
  schema: Schema | undefined,
): string {
  if (issue.origin === 'number' || issue.origin === 'int') return describeNumber(schema)
  const [limit, least] =
    issue.code === 'too_small' ? [Number(issue.minimum), true] : [Number(issue.maximum), false]
  if (issue.origin === 'string' && least && limit === 1) return 'text that is not empty'
  const what = issue.origin === 'string' ? 'characters' : 'entries'
  return `at ${least ? 'least' : 'most'} ${limit} ${what}`
}

const types: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  record: 'a map',
}

const formats: Readonly<Record<string, string>> = {
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'an IPv4 block such as 10.0.0.0/8',
  cidrv6: 'an IPv6 block such as fd00::/8',
}

/** Our schema's own messages read "expected ..."; everything else is zod's wording, which is not for users. */
function ownWords<Fallback>(message: string, fallback: Fallback): string | Fallback {
  return message.startsWith('expected ') ? message.slice('expected '.length) : fallback
}

const secretName = /secret|password|passphrase|token|credential|private|(^|[_-])key$|[a-z]Key$/i

/** Whether a path names something that must not be shown, in a message or in an excerpt of the file. */
export function isSecret(path: readonly (string | number)[]): boolean {
  if (path.some((key) => typeof key === 'string' && secretName.test(key))) return true
  // What a probe sends: whoever names a header `X-Login` keeps a password there all the same.
  const health = path.indexOf('health')
  return health !== -1 && path.indexOf('headers', health) !== -1
}

function describeFound(value: unknown, path: Path): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'nothing (null)'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty map' : 'a map'
  if (typeof value === 'function') return 'a function'
  if (isSecret(path)) return `a ${typeof value} that is not shown`
  if (typeof value === 'string') return shorten(value.replace(/\/\/[^/@\s]*@/, '//***@'))
  return String(value)
}

function shorten(text: string): string {
  const most = 60
  return JSON.stringify(text.length <= most ? text : `${text.slice(0, most)}...`)
}

/** `a, b or c`. */
function list(words: readonly string[], joint: 'or' | 'and' = 'or'): string {
  if (words.length < 2) return words[0] ?? 'nothing'
  return `${words.slice(0, -1).join(', ')} ${joint} ${words.at(-1)}`
}

function fullPath(issue: Issue, place: Place): (string | number)[] {
  return [...place.path, ...issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key))]
}

function fieldName(path: Path): string {
  return path.reduce<string>((field, key) => {
    if (typeof key === 'number') return `${field}[${key}]`
    if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${field}[${shorten(key)}]`
    return field === '' ? key : `${field}.${key}`
  }, '')
}
