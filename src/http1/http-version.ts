import { failure, type HeadFailure } from './failure.ts'

const malformed = failure(400, 'malformed HTTP version')
const other = failure(505, 'HTTP version not supported')

/**
 * The minor version of `HTTP/1.0` or `HTTP/1.1` at an index, followed by `terminator`. Every other well-formed
 * version is 505 (RFC 9110 §15.6.6), also 1.2: we would not know what it means. At least nine bytes MUST be
 * readable, or the version be cut short by a byte that cannot belong to one.
 */
export function httpMinor(bytes: Uint8Array, at: number, terminator: number): 0 | 1 | HeadFailure {
  if (!isHttpSlash(bytes, at) || !isDigit(bytes[at + 5])) return malformed
  if (bytes[at + 6] === terminator) return other
  if (bytes[at + 6] !== 0x2e || !isDigit(bytes[at + 7]) || bytes[at + 8] !== terminator) return malformed
  if (bytes[at + 5] !== 0x31) return other
  const minor = (bytes[at + 7] as number) - 0x30
  return minor === 1 || minor === 0 ? minor : other
}

function isHttpSlash(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 0x48 &&
    bytes[at + 1] === 0x54 &&
    bytes[at + 2] === 0x54 &&
    bytes[at + 3] === 0x50 &&
    bytes[at + 4] === 0x2f
  )
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}
