/** Value of `--rounds`; throws with a sentence for the user. */
export function parseRounds(text: string): number {
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
