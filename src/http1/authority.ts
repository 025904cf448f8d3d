/** A validated `host[:port]`. */
export interface Authority {
  /** Lower case, without port and without a final dot; IPv6 in brackets. */
  readonly host: string
  /** The port as a number, -1 if there is none. */
  readonly port: number
}

// Most gateways serve few names, and each connection asks for one.
let latestText = ''
let latest: Authority | null = null

/**
 * Reads `uri-host [":" port]` (RFC 9110 §7.2), or null if it is none. Stricter than RFC 3986 where neighbours
 * differ: the host is made of letters, digits, `-`, `.`, `_` and `~` without empty labels (no escapes, no
 * sub-delimiters, which proxies split lists at), or is an IPv6 address in brackets without zone; a colon is
 * followed by a port from 0 to 65535; there is no userinfo.
 */
export function parseAuthority(text: string): Authority | null {
  if (text === latestText) return latest
  latest = readAuthority(text)
  latestText = text
  return latest
}

function readAuthority(text: string): Authority | null {
  if (text.charCodeAt(0) === 0x5b) return parseIpLiteral(text)
  const colon = text.indexOf(':')
  const end = colon === -1 ? text.length : colon
  if (!isRegName(text, end)) return null
  const port = colon === -1 ? -1 : parsePort(text, colon + 1)
  if (port === null) return null
  const dotted = text.charCodeAt(end - 1) === 0x2e
  return { host: text.substring(0, dotted ? end - 1 : end).toLowerCase(), port }
}

function isRegName(text: string, end: number): boolean {
  // As if a dot stood before the name: so a leading dot is an empty label as well.
  let previous = 0x2e
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x2e) {
      if (previous === 0x2e) return false
    } else if (!isNameCode(code)) return false
    previous = code
  }
  return end > 0
}

function isNameCode(code: number): boolean {
  const letter = code | 0x20
  if (letter >= 0x61 && letter <= 0x7a) return code < 0x7f
  return (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x5f || code === 0x7e
}

/** The port from `start` to the end of the text, null if it is none. */
function parsePort(text: string, start: number): number | null {
  const digits = text.length - start
  if (digits < 1 || digits > 5) return null
  let port = 0
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return null
    port = port * 10 + digit
  }
  return port <= 65_535 ? port : null
}

function parseIpLiteral(text: string): Authority | null {
  const close = text.indexOf(']')
  if (close === -1 || !isIpv6(text.substring(1, close))) return null
  const host = text.substring(0, close + 1).toLowerCase()
  if (close + 1 === text.length) return { host, port: -1 }
  const port = text.charCodeAt(close + 1) === 0x3a ? parsePort(text, close + 2) : null
  return port === null ? null : { host, port }
}

/** RFC 3986 §3.2.2 `IPv6address`: eight groups, or fewer around one `::`; the last two may be an IPv4 address. */
function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  const compressed = halves.length === 2
  const head = groupsIn(halves[0] as string, !compressed)
  const tail = compressed ? groupsIn(halves[1] as string, true) : 0
  if (head === -1 || tail === -1) return false
  return compressed ? head + tail <= 7 : head === 8
}

/** How many 16-bit groups a side of `::` holds, -1 if it is malformed. */
function groupsIn(side: string, mayEndInIpv4: boolean): number {
  if (side === '') return 0
  const parts = side.split(':')
  let groups = 0
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) groups += 1
    else if (mayEndInIpv4 && index === parts.length - 1 && isIpv4(part)) groups += 2
    else return -1
  }
  return groups
}

function isIpv4(text: string): boolean {
  const parts = text.split('.')
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256)
  )
}
