/** A length of time with its unit: `'250ms'`, `'5s'`, `'1.5m'`, `'2h'`, `'1d'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

/** A number of bytes with its unit: `'512B'`, `'64KiB'`, `'1MiB'`, `'2GiB'`. */
export type Size = `${number}${'B' | 'KiB' | 'MiB' | 'GiB'}`

const milliseconds: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const bytes: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

const durationPattern = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)$/
const sizePattern = /^(\d{1,15}(?:\.\d{1,6})?)(B|KiB|MiB|GiB)$/

/** Milliseconds, or undefined when the text is not a duration with a unit. */
export function parseDuration(text: string): number | undefined {
  return parseQuantity(text, durationPattern, milliseconds)
}

/** Bytes, or undefined when the text is not a size with a unit. */
export function parseSize(text: string): number | undefined {
  return parseQuantity(text, sizePattern, bytes)
}

function parseQuantity(text: string, pattern: RegExp, factors: Record<string, number>): number | undefined {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const value = Math.round(Number(match[1]) * (factors[match[2] as string] as number))
  return Number.isSafeInteger(value) ? value : undefined
}
