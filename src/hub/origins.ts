import type { Handshake } from './transport.ts'

/**
 * Whether a handshake may come from where it says it comes from. Browsers send cookies along with WebSockets to any
 * server and ask nobody, so this is what keeps other people's pages out (cross-site WebSocket hijacking).
 *
 * Without an `Origin` it does not come from a browser, and is allowed. Allowed is what is in the list, and the same
 * origin: its host and port are those of the `Host` field. The scheme counts only where this server itself speaks TLS:
 * behind a proxy that ends TLS, `https` arrives here as plain HTTP. A proxy that replaces `Host` needs a list.
 */
export function isOriginAllowed(
  request: Pick<Handshake, 'origin' | 'headers' | 'secure'>,
  list: readonly string[],
): boolean {
  const { origin } = request
  if (origin === undefined) return true
  if (list.some((entry) => matches(entry, origin))) return true
  const from = parseWeb(origin)
  const { host } = request.headers
  if (from === null || host === undefined || (request.secure && from.protocol !== 'https:')) return false
  return parseWeb(`${from.protocol}//${host}`)?.host === from.host
}

/** Whether an entry is one: `https://example.com`, `http://localhost:5173`, `https://*.example.com`, `app://main`. */
export function isOriginRule(entry: string): boolean {
  return (
    /^[a-z][a-z0-9+.-]*:\/\/(\*\.)?[^*/?#@\\\s]+$/i.test(entry) &&
    // A star is for names below a domain of the web.
    (isWeb(entry) ? parseWeb(plain(entry)) !== null : plain(entry) === entry)
  )
}

function matches(entry: string, origin: string): boolean {
  if (!isWeb(entry)) return entry.toLowerCase() === origin.toLowerCase()
  const [rule, from] = [parseWeb(plain(entry)), parseWeb(origin)]
  if (rule === null || from === null) return false
  if (plain(entry) === entry) return rule.origin === from.origin
  const sameDoor = rule.protocol === from.protocol && rule.port === from.port
  return sameDoor && from.hostname.endsWith(`.${rule.hostname}`)
}

function isWeb(text: string): boolean {
  return /^https?:/i.test(text)
}

/** Without the star. */
function plain(entry: string): string {
  return entry.replace('//*.', '//')
}

/** Null for `null`, which sandboxed pages and files send, and for what is no origin of the web. */
function parseWeb(text: string): URL | null {
  if (!/^https?:\/\/[^/?#@\\\s]+$/i.test(text)) return null
  return URL.canParse(text) ? new URL(text) : null
}
