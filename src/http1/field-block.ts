import { COLON, CR, HTAB, LF, latin1, SP, tokenByte, valueByte } from './byte-classes.ts'
import { failure, type HeadFailure } from './failure.ts'
import type { Fields } from './fields.ts'

const emptyName = failure(400, 'field name is empty')
const folded = failure(400, 'line folding in a header field')
const badName = failure(400, 'invalid character in a field name')
const badValue = failure(400, 'invalid character in a field value')
const tooMany = failure(431, 'too many header fields')

/**
 * Parses field lines up to and including the empty line that ends them (RFC 9112 §5):
 * `token ":" OWS value OWS CRLF`. No whitespace before the colon (§5.1), no folding (§5.2), CRLF only (§2.2).
 *
 * @param end index behind the empty line; the two bytes before it MUST be CRLF and MUST start a line
 */
export function parseFieldBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxFields: number,
  fields: Fields,
): HeadFailure | null {
  const last = end - 2
  if (start === last) return null
  const text = latin1(bytes, start, last)
  let at = start
  let count = 0
  // No bounds are checked within a line: every scan stops at a CR, and the block ends with one.
  while (at < last) {
    const nameStart = at
    while (tokenByte[bytes[at] as number] === 1) at++
    if (bytes[at] !== COLON || at === nameStart) return nameFailure(bytes[at], at === nameStart)
    const nameEnd = at++
    while (bytes[at] === SP || bytes[at] === HTAB) at++
    const valueStart = at
    while (valueByte[bytes[at] as number] === 1) at++
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return badValue
    let valueEnd = at
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--
    at += 2
    if (++count > maxFields) return tooMany
    fields.add(
      text.substring(nameStart - start, nameEnd - start),
      text.substring(valueStart - start, valueEnd - start),
    )
  }
  return at === last ? null : badValue
}

function nameFailure(byte: number | undefined, empty: boolean): HeadFailure {
  if (!empty) return badName
  if (byte === SP || byte === HTAB) return folded
  return byte === COLON ? emptyName : badName
}
