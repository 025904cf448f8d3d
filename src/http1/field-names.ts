import { latin1, tokenByte } from './byte-classes.ts'

/**
 * What the codec must know about a field name, as bits. One look at `Fields.marks` then answers "is there a
 * Transfer-Encoding?" without a search, and forwarding skips hop-by-hop fields without comparing names.
 */
export const mark = {
  host: 1,
  contentLength: 2,
  transferEncoding: 4,
  connection: 8,
  upgrade: 16,
  expect: 32,
  te: 64,
  /** Meant for this connection only, whatever `Connection` says. */
  hop: 128,
} as const

/** The same mark shifted by this says that the field stands there more than once. */
export const repeatedShift = 8

/** A field name as received, its lower-case key and its marks. */
export interface FieldName {
  readonly name: string
  readonly key: string
  readonly marks: number
  /** The name again: comparing bytes with bytes takes half the time of comparing them with a string. */
  readonly bytes: Uint8Array
}

const marksByKey = new Map<string, number>([
  ['host', mark.host],
  ['content-length', mark.contentLength],
  ['transfer-encoding', mark.transferEncoding | mark.hop],
  ['connection', mark.connection | mark.hop],
  ['upgrade', mark.upgrade | mark.hop],
  ['expect', mark.expect],
  ['te', mark.te | mark.hop],
  ['keep-alive', mark.hop],
  ['proxy', mark.hop],
])

/** Longer names are described anew each time. */
const maxRememberedLength = 64

const wellKnown = `Accept Accept-Encoding Accept-Language Age Authorization Cache-Control Connection
Content-Encoding Content-Length Content-Type Cookie Date ETag Expect Expires Forwarded Host If-Modified-Since
If-None-Match Keep-Alive Last-Modified Location Origin Pragma Range Referer Retry-After Sec-WebSocket-Accept
Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version Sec-Fetch-Dest
Sec-Fetch-Mode Sec-Fetch-Site Server Set-Cookie TE Trailer Transfer-Encoding Upgrade User-Agent Vary Via
X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Real-IP X-Request-Id`.split(/\s+/)

/**
 * Names seen before, found by hash without making a string first. Names come from peers, so the table has a fixed
 * size: a new name takes the place of another with the same slot, but never that of a well-known one.
 */
const slots = 1024
const known: (FieldName | null)[] = new Array(slots).fill(null)
const learned: (FieldName | null)[] = new Array(slots).fill(null)

for (const name of wellKnown) {
  for (const spelling of [name, name.toLowerCase()]) known[slotOf(hashName(spelling))] ??= describe(spelling)
}

/** Continues the hash of a name with its next byte; begins with 0. */
export function hashStep(hash: number, byte: number): number {
  return ((hash << 5) - hash + byte) | 0
}

/** The name in a range of bytes that are all token bytes, with their hash. */
export function fieldNameAt(bytes: Uint8Array, start: number, end: number, hash: number): FieldName {
  const slot = slotOf(hash)
  const first = known[slot] as FieldName | null
  if (first !== null && equals(first.bytes, bytes, start, end)) return first
  const second = learned[slot] as FieldName | null
  if (second !== null && equals(second.bytes, bytes, start, end)) return second
  const entry = describe(latin1(bytes, start, end))
  if (end - start <= maxRememberedLength) learned[slot] = entry
  return entry
}

/** The name in a string. */
export function fieldName(name: string): FieldName {
  const slot = slotOf(hashName(name))
  if (known[slot]?.name === name) return known[slot]
  return learned[slot]?.name === name ? learned[slot] : describe(name)
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 10)) & (slots - 1)
}

function hashName(name: string): number {
  let hash = 0
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i))
  return hash
}

function equals(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false
  return true
}

function describe(name: string): FieldName {
  const key = name.toLowerCase()
  const marks = marksByKey.get(key) ?? (key.startsWith('proxy-') ? mark.hop : 0)
  return { name, key, marks, bytes: new Uint8Array(Buffer.from(name, 'latin1')) }
}

/** Whether the text is a `token` (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (tokenByte[text.charCodeAt(i)] !== 1) return false
  return text !== ''
}
