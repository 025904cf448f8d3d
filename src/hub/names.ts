const longest = 128
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they must not hold.
const control = /[\u0000-\u001f\u007f]/

/** The room that every user is in, which no room of a program can be: presence of users, wherever they are. */
export const allUsers = ''

/** Names of rooms and users become names of channels in a cluster. */
export const nameRule = `1 to ${longest} characters without control characters`

export function isName(name: unknown): name is string {
  if (typeof name !== 'string' || name.length === 0 || name.length > longest) return false
  // Half a surrogate pair has no UTF-8: on its way to other nodes it would become another name.
  return !control.test(name) && name.isWellFormed()
}

/** @throws RangeError when it is not one */
export function checkName(what: 'room' | 'user', name: string): void {
  if (!isName(name)) throw new RangeError(`expected ${nameRule} as name of a ${what}, found ${quoted(name)}`)
}

/** A value for an error text. Names come from clients, and errors stand in logs: no more of it than a line can hold. */
export function quoted(value: unknown): string {
  if (typeof value !== 'string') return value === null ? 'null' : `a value of type ${typeof value}`
  return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}...` : value)
}
