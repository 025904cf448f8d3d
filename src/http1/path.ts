import { hexValue } from './byte-classes.ts'

/**
 * Brings the path of a request target into the one form that is matched and forwarded, or null if it is
 * refused (400). The rule (RFC 3986 §6.2.2, RFC 9110 §4.2.3), in this order:
 *
 * 1. Refused: a path that does not start with `/`; a raw `\`; `?`, `#` and everything outside visible ASCII;
 *    a `%` without two hexadecimal digits; `%00`.
 * 2. Escapes of unreserved characters (`A-Z a-z 0-9 - . _ ~`) are decoded, once: `%2541` becomes `%2541`.
 * 3. All other escapes stay, with upper-case digits. So `%2F` and `%5C` are data and never separate segments.
 * 4. Dot segments are resolved (`.` also when it came as `%2e`); `..` above the root stays at the root.
 * 5. Empty segments stay: `//` is not `/`, and `..` removes an empty segment like any other.
 *
 * Applying the rule twice changes nothing more. A backend that decodes `%2F` before it matches sees a path of
 * its own making; that is the backend's decision, the gateway never makes it.
 */
export function normalisePath(path: string): string | null {
  if (path.charCodeAt(0) !== SLASH) return null
  let escapes = false
  let dots = false
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || refused(code)) return null
    if (code === PERCENT) escapes = true
    else if (code === DOT && path.charCodeAt(i - 1) === SLASH) dots = true
  }
  if (!escapes) return dots ? resolveDots(path) : path
  const decoded = decodeUnreserved(path)
  return decoded?.includes('/.') ? resolveDots(decoded) : decoded
}

const SLASH = 0x2f
const PERCENT = 0x25
const DOT = 0x2e

function refused(code: number): boolean {
  return code === 0x5c || code === 0x3f || code === 0x23
}

function decodeUnreserved(path: string): string | null {
  let result = ''
  let kept = 0
  for (let at = path.indexOf('%'); at !== -1; at = path.indexOf('%', at + 3)) {
    // Past the end charCodeAt is NaN, which the table answers with undefined.
    const high = hexValue[path.charCodeAt(at + 1)] ?? 255
    const low = hexValue[path.charCodeAt(at + 2)] ?? 255
    if (high === 255 || low === 255) return null
    const code = high * 16 + low
    if (code === 0) return null
    result += path.substring(kept, at)
    result += isUnreserved(code) ? String.fromCharCode(code) : path.substring(at, at + 3).toUpperCase()
    kept = at + 3
  }
  return result + path.substring(kept)
}

function isUnreserved(code: number): boolean {
  if (code >= 0x30 && code <= 0x39) return true
  const letter = code | 0x20
  if (letter >= 0x61 && letter <= 0x7a) return true
  return code === 0x2d || code === DOT || code === 0x5f || code === 0x7e
}

/** RFC 3986 §5.2.4 on a path that starts with a slash. */
function resolveDots(path: string): string {
  const segments = path.split('/')
  const resolved: string[] = []
  const last = segments.length - 1
  for (let i = 1; i <= last; i++) {
    const segment = segments[i] as string
    const dot = segment === '.' || segment === '..'
    if (segment === '..') resolved.pop()
    if (!dot) resolved.push(segment)
    // `/a/.` and `/a/..` name a folder: they keep the final slash.
    else if (i === last) resolved.push('')
  }
  return `/${resolved.join('/')}`
}
