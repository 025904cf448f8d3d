import { nearestWord } from '../nearest-word.ts'

/** What is found where the address of a broker is expected, without repeating what may hold a password. */
export function describeAddress(given: unknown): string {
  if (given === undefined || given === null || given === '') {
    return 'nothing (is the environment variable set?)'
  }
  if (typeof given !== 'string') return `a ${typeof given}`
  const scheme = /^\s*([a-z][a-z0-9+.-]{0,15}:\/\/)/i.exec(given)?.[1]
  if (scheme === undefined) return 'text that does not begin with it'
  return `${scheme} and something that is not that`
}

/** The first key of an object that is none of those that are known, with a guess at what was meant; or null. */
export function unknownKey(given: object, known: readonly string[]): string | null {
  const key = Object.keys(given).find((each) => !known.includes(each))
  if (key === undefined) return null
  const meant = nearestWord(key, known)
  return `an unknown key ${JSON.stringify(key.slice(0, 60))}${meant === undefined ? '' : ` (did you mean '${meant}'?)`}`
}
