import { parseAuthority } from './authority.ts'
import { CR, LF, latin1, SP, targetByte, tokenByte } from './byte-classes.ts'
import { connectionOptions, persists, upgradeOf } from './connection-options.ts'
import { failure, type HeadFailure } from './failure.ts'
import { parseFieldBlock } from './field-block.ts'
import { mark, repeatedShift } from './field-names.ts'
import { Fields } from './fields.ts'
import { declaredFraming, type Framing, noBody } from './framing.ts'
import { endsWithEmptyLine } from './head-end.ts'
import type { HeadLimits } from './head-limits.ts'
import { httpMinor } from './http-version.ts'
import { parseTarget, type RequestTarget } from './request-target.ts'

/** A request head that every careful neighbour reads the same way. */
export interface RequestHead {
  readonly method: string
  /** Origin form: normalised path and query, or `*`. What is matched is what is forwarded. */
  readonly target: string
  /** The normalised path, or `*`. */
  readonly path: string
  /** `''`, or the query with its `?`. */
  readonly query: string
  /** The version is HTTP/1.`minor`. */
  readonly minor: 0 | 1
  /** As to forward in `Host`; `''` in HTTP/1.0 without one. */
  readonly authority: string
  /** `authority` in lower case, without port and final dot; IPv6 in brackets; `''` in HTTP/1.0 without `Host`. */
  readonly host: string
  readonly fields: Fields
  readonly framing: Framing
  /** Whether the client wants to send another request on this connection. */
  readonly keepAlive: boolean
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectContinue: boolean
  /** The `Upgrade` field in lower case when `Connection` lists it and the version is 1.1, else null. */
  readonly upgrade: string | null
}

const malformed = failure(400, 'malformed request line')
const badMethod = failure(400, 'invalid method')
const unknownMethod = failure(501, 'method not supported')
const badTarget = failure(400, 'invalid character in the request target')
const noHost = failure(400, 'Host is missing')
const manyHosts = failure(400, 'more than one Host')
const badHost = failure(400, 'invalid Host')
const hostDiffers = failure(400, 'Host differs from the request target')
const expectation = failure(417, 'unknown expectation')

const maxMethodLength = 32

/**
 * Parses one request head (RFC 9112 §3, §5 and §6) under the rules of `docs/reference/http.md`.
 *
 * @param start index of the first byte; one empty line before the request line is skipped (RFC 9112 §2.2)
 * @param end index behind the empty line that ends the head
 */
export function parseRequestHead(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: HeadLimits,
): RequestHead | HeadFailure {
  if (!endsWithEmptyLine(bytes, start, end)) return malformed
  let at = bytes[start] === CR && bytes[start + 1] === LF ? start + 2 : start

  // No scan needs a bound: each stops at a CR at the latest, and the head ends with one.
  const methodStart = at
  while (tokenByte[bytes[at] as number] === 1) at++
  if (bytes[at] !== SP || at === methodStart) return badMethod
  const method = readMethod(bytes, methodStart, at)
  if (typeof method !== 'string') return method

  const targetStart = ++at
  while (targetByte[bytes[at] as number] === 1) at++
  if (bytes[at] !== SP) return badTarget
  const target = parseTarget(latin1(bytes, targetStart, at), method)

  const minor = httpMinor(bytes, at + 1, CR)
  if (typeof minor !== 'number') return minor
  if ('failed' in target) return target
  at += 9
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return malformed

  const fields = new Fields()
  const broken = parseFieldBlock(bytes, at + 2, end, limits.fields, fields)
  return broken ?? requestHead(method, target, minor, fields)
}

function requestHead(
  method: string,
  target: RequestTarget,
  minor: 0 | 1,
  fields: Fields,
): RequestHead | HeadFailure {
  const framing = declaredFraming(fields, minor) ?? noBody
  if ('failed' in framing) return framing
  const options = connectionOptions(fields)
  if ('failed' in options) return options
  const addressed = readHost(fields, target, minor)
  if ('failed' in addressed) return addressed
  const expects = (fields.marks & mark.expect) !== 0
  if (expects && !knownExpectation(fields)) return expectation
  return {
    method,
    target: target.target,
    path: target.path,
    query: target.query,
    minor,
    authority: addressed.authority,
    host: addressed.host,
    fields,
    framing,
    keepAlive: persists(minor, options),
    // RFC 9110 §10.1.1: ignored in HTTP/1.0, and nothing to wait for without a body.
    expectContinue: expects && minor === 1 && framing.kind !== 'none',
    upgrade: upgradeOf(fields, minor, options),
  }
}

/**
 * CONNECT and spellings of CONNECT and HEAD in lower case are refused: a neighbour that ignores case would
 * see a message with another framing.
 */
function readMethod(bytes: Uint8Array, start: number, end: number): string | HeadFailure {
  const length = end - start
  if (length === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54)
    return 'GET'
  if (length > maxMethodLength) return unknownMethod
  const method = latin1(bytes, start, end)
  if (method === 'HEAD') return method
  const upper = length === 4 || length === 7 ? method.toUpperCase() : ''
  return upper === 'CONNECT' || upper === 'HEAD' ? unknownMethod : method
}

interface Addressed {
  readonly authority: string
  readonly host: string
}

const nowhere: Addressed = Object.freeze({ authority: '', host: '' })

/** RFC 9112 §3.2: exactly one valid `Host` in HTTP/1.1; an absolute target replaces it and must agree. */
function readHost(fields: Fields, target: RequestTarget, minor: 0 | 1): Addressed | HeadFailure {
  const marks = fields.marks
  if ((marks & (mark.host << repeatedShift)) !== 0) return manyHosts
  if ((marks & mark.host) === 0) {
    if (minor === 1) return noHost
    if (target.authority === '') return nowhere
    return { authority: target.authority, host: parseAuthority(target.authority)?.host ?? '' }
  }
  const value = fields.get('host') as string
  const named = parseAuthority(value)
  if (named === null) return badHost
  if (target.authority === '') return { authority: value, host: named.host }
  const absolute = parseAuthority(target.authority)
  const port = (given: number) => (given === -1 ? target.defaultPort : given)
  if (absolute?.host !== named.host || port(absolute.port) !== port(named.port)) return hostDiffers
  return { authority: target.authority, host: named.host }
}

function knownExpectation(fields: Fields): boolean {
  if ((fields.marks & (mark.expect << repeatedShift)) !== 0) return false
  return (fields.get('expect') as string).toLowerCase() === '100-continue'
}
