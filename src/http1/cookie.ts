import { type Fields, trimWhitespace } from './fields.ts'

/**
 * The value of a cookie that a request brings (RFC 6265 §4.2.1), without the quotes it may stand in; undefined
 * when it brings none. Of several with one name the first counts, which is the one with the longest path (§5.4).
 */
export function cookieValue(fields: Fields, name: string): string | undefined {
  for (let at = fields.indexOf('cookie'); at !== -1; at = fields.indexOf('cookie', at + 1)) {
    const text = fields.values[at] as string
    // Most requests that are asked bring other cookies only.
    if (!text.includes(name)) continue
    for (const pair of text.split(';')) {
      const equals = pair.indexOf('=')
      if (equals === -1 || trimWhitespace(pair.slice(0, equals)) !== name) continue
      const value = trimWhitespace(pair.slice(equals + 1))
      return /^".*"$/.test(value) ? value.slice(1, -1) : value
    }
  }
  return undefined
}
