import { failure, type HeadFailure } from './failure.ts'
import { mark, repeatedShift } from './field-names.ts'
import type { Fields } from './fields.ts'

/** Where a message's body ends (RFC 9112 §6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

/** There is no body. */
export const noBody: Framing = Object.freeze({ kind: 'none' })
/** The body is chunked. */
export const chunkedBody: Framing = Object.freeze({ kind: 'chunked' })
/** The body lasts until the connection closes; responses only. */
export const bodyUntilClose: Framing = Object.freeze({ kind: 'close' })

const both = failure(400, 'Transfer-Encoding together with Content-Length')
const tooOld = failure(400, 'Transfer-Encoding in an HTTP/1.0 message')
const codings = failure(501, 'transfer coding other than chunked')
const badCoding = failure(400, 'invalid Transfer-Encoding')
const lengths = failure(400, 'more than one Content-Length')
const badLength = failure(400, 'invalid Content-Length')

const framingMarks = mark.transferEncoding | mark.contentLength

/**
 * The framing the fields declare, `undefined` if they declare none. Anything two parsers could read differently
 * is a failure (RFC 9112 §6.1, §6.3 and §11.2): both fields, either of them twice even when equal, a coding
 * other than exactly `chunked`, `Transfer-Encoding` in HTTP/1.0, a length that is not only digits.
 */
export function declaredFraming(fields: Fields, minor: 0 | 1): Framing | HeadFailure | undefined {
  const marks = fields.marks
  if ((marks & framingMarks) === 0) return undefined
  if ((marks & framingMarks) === framingMarks) return both
  if ((marks & mark.transferEncoding) !== 0) {
    if (minor === 0) return tooOld
    if ((marks & (mark.transferEncoding << repeatedShift)) !== 0) return badCoding
    return chunkedOnly(fields.get('transfer-encoding') as string)
  }
  if ((marks & (mark.contentLength << repeatedShift)) !== 0) return lengths
  return declaredLength(fields)
}

function chunkedOnly(value: string): Framing | HeadFailure {
  if (value.length === 7 && value.toLowerCase() === 'chunked') return chunkedBody
  // RFC 9112 §6.1: a coding that is known to exist but not to us is 501, nonsense is 400.
  return /^(?:(?:x-)?(?:gzip|deflate|compress)[\t ]*,[\t ]*)+chunked$/i.test(value) ? codings : badCoding
}

function declaredLength(fields: Fields): Framing | HeadFailure {
  const index = fields.indexOf('content-length')
  const text = fields.values[index] as string
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return badLength
    length = length * 10 + digit
    if (length > Number.MAX_SAFE_INTEGER) return badLength
  }
  if (text === '') return badLength
  // Leading zeros are legal, but a neighbour may take them for octal: what is forwarded is canonical.
  if (text.length > 1 && text.charCodeAt(0) === 0x30) fields.values[index] = String(length)
  return { kind: 'length', length }
}
