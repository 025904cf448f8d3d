import { CR, LF, latin1, SP, valueByte } from './byte-classes.ts'
import { connectionOptions, persists, upgradeOf } from './connection-options.ts'
import { failure, type HeadFailure } from './failure.ts'
import { parseFieldBlock } from './field-block.ts'
import { mark } from './field-names.ts'
import { Fields } from './fields.ts'
import { bodyUntilClose, declaredFraming, type Framing, noBody } from './framing.ts'
import { endsWithEmptyLine } from './head-end.ts'
import type { HeadLimits } from './head-limits.ts'
import { httpMinor } from './http-version.ts'

/** A response head whose framing leaves no doubt. */
export interface ResponseHead {
  /** 100 to 599. */
  readonly status: number
  /** The reason phrase, often `''`; means nothing (RFC 9112 §4). */
  readonly reason: string
  /** The version is HTTP/1.`minor`. */
  readonly minor: 0 | 1
  readonly fields: Fields
  readonly framing: Framing
  /** Whether the connection may be used again after this message, if it ends exactly where its framing says. */
  readonly keepAlive: boolean
  /** The `Upgrade` field in lower case when `Connection` lists it and the version is 1.1, else null. */
  readonly upgrade: string | null
}

const malformed = failure(400, 'malformed status line')
const badStatus = failure(400, 'invalid status code')

const shortest = 'HTTP/1.1 200\r\n\r\n'.length

/**
 * Parses one response head (RFC 9112 §4, §5 and §6.3).
 *
 * Responses to HEAD, 1xx, 204 and 304 have no body whatever their fields say. In 1xx and 204 `Content-Length`
 * and `Transfer-Encoding` must not be sent (RFC 9110 §8.6, RFC 9112 §6.1), so they are removed from the fields;
 * in answers to HEAD and in 304 they describe the body that was left out, and stay.
 *
 * @param start index of the first byte
 * @param end index behind the empty line that ends the head
 * @param requestMethod the method of the request that is answered
 */
export function parseResponseHead(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: HeadLimits,
  requestMethod: string,
): ResponseHead | HeadFailure {
  if (end - start < shortest || !endsWithEmptyLine(bytes, start, end)) return malformed
  const version = httpMinor(bytes, start, SP)
  if (typeof version !== 'number') return version
  const status = readStatus(bytes, start + 9)
  if (status === -1) return badStatus
  let at = start + 12
  // The space before an empty reason phrase is required, but often forgotten; nobody reads that differently.
  if (bytes[at] === SP) at++
  else if (bytes[at] !== CR) return malformed
  const reasonStart = at
  while (valueByte[bytes[at] as number] === 1) at++
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return malformed
  const reason = readReason(bytes, reasonStart, at, status)

  const fields = new Fields()
  const broken = parseFieldBlock(bytes, at + 2, end, limits.fields, fields)
  return broken ?? responseHead(status, reason, version, fields, requestMethod)
}

function responseHead(
  status: number,
  reason: string,
  minor: 0 | 1,
  fields: Fields,
  requestMethod: string,
): ResponseHead | HeadFailure {
  const declared = declaredFraming(fields, minor)
  if (declared !== undefined && 'failed' in declared) return declared
  const options = connectionOptions(fields)
  if ('failed' in options) return options
  const withoutContent = status < 200 || status === 204
  if (withoutContent && declared !== undefined) {
    fields.remove('content-length')
    fields.remove('transfer-encoding')
  }
  const bodiless = withoutContent || status === 304 || requestMethod === 'HEAD'
  const framing = bodiless ? noBody : (declared ?? bodyUntilClose)
  return {
    status,
    reason,
    minor,
    fields,
    framing,
    keepAlive: persists(minor, options) && framing.kind !== 'close' && status !== 101,
    upgrade: (fields.marks & mark.upgrade) === 0 ? null : upgradeOf(fields, minor, options),
  }
}

function readStatus(bytes: Uint8Array, at: number): number {
  const hundreds = (bytes[at] as number) - 0x30
  const tens = (bytes[at + 1] as number) - 0x30
  const ones = (bytes[at + 2] as number) - 0x30
  if (!(hundreds >= 1 && hundreds <= 5 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9)) return -1
  return hundreds * 100 + tens * 10 + ones
}

function readReason(bytes: Uint8Array, start: number, end: number, status: number): string {
  const okay = status === 200 && end - start === 2 && bytes[start] === 0x4f && bytes[start + 1] === 0x4b
  return okay ? 'OK' : latin1(bytes, start, end)
}
