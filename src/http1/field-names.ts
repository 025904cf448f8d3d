import { tokenByte } from './byte-classes.ts'

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

/** Names come from peers, so the cache is bounded in entries and in the length of each. */
const maxCached = 1024
const maxCachedLength = 64

const wellKnown = `Accept Accept-Encoding Accept-Language Age Authorization Cache-Control Connection
Content-Encoding Content-Length Content-Type Cookie Date ETag Expect Expires Forwarded Host If-Modified-Since
If-None-Match Keep-Alive Last-Modified Location Origin Pragma Range Referer Retry-After Sec-WebSocket-Accept
Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version Sec-Fetch-Dest
Sec-Fetch-Mode Sec-Fetch-Site Server Set-Cookie TE Trailer Transfer-Encoding Upgrade User-Agent Vary Via
X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Real-IP X-Request-Id`.split(/\s+/)

let cache = freshCache()

/** Looks a name up; the cost is one hash of the name for names seen before. */
export function fieldName(name: string): FieldName {
  return cache.get(name) ?? remember(name)
}

function remember(name: string): FieldName {
  // A name cut out of a head would keep the whole head alive for as long as it is cached.
  const own = Buffer.from(name, 'latin1').toString('latin1')
  const entry = describe(own)
  if (own.length > maxCachedLength) return entry
  // Starting over keeps the names of honest peers cached while somebody sends a new name in each request.
  if (cache.size >= maxCached) cache = freshCache()
  cache.set(own, entry)
  return entry
}

function describe(name: string): FieldName {
  const key = name.toLowerCase()
  const marks = marksByKey.get(key) ?? (key.startsWith('proxy-') ? mark.hop : 0)
  return { name, key, marks }
}

function freshCache(): Map<string, FieldName> {
  const fresh = new Map<string, FieldName>()
  for (const name of wellKnown) {
    fresh.set(name, describe(name))
    fresh.set(name.toLowerCase(), describe(name.toLowerCase()))
  }
  return fresh
}

/** Whether the text is a `token` (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (tokenByte[text.charCodeAt(i)] !== 1) return false
  return text !== ''
}
