/** A key is kept for as long as its client is known, so a long one would be a way to fill the memory. */
const longest = 64

/**
 * Who counts as one client: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber gets. Ports,
 * as some proxies write them into `X-Forwarded-For`, brackets and zones do not matter; an IPv4 address that comes
 * mapped into IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address. What is no address stands for itself.
 */
export function clientKey(address: string): string {
  const plain = withoutPort(address)
  if (!plain.includes(':')) return plain.slice(0, longest).toLowerCase()
  const groups = groupsOf(plain)
  if (groups === null) return plain.slice(0, longest).toLowerCase()
  const [a, b, c, d, e, f, g, h] = groups as [number, number, number, number, number, number, number, number]
  if (a === 0 && b === 0 && c === 0 && d === 0 && e === 0 && f === 0xffff) {
    return `${g >> 8}.${g & 255}.${h >> 8}.${h & 255}`
  }
  return `${hex(a)}:${hex(b)}:${hex(c)}:${hex(d)}::/64`
}

/** An address as it stands in `X-Forwarded-For`, without the port or the brackets that some proxies write. */
export function withoutPort(text: string): string {
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    return end === -1 ? text : text.slice(1, end)
  }
  const colon = text.indexOf(':')
  return colon !== -1 && colon === text.lastIndexOf(':') ? text.slice(0, colon) : text
}

/** The eight groups of an IPv6 address, or null when it is none. */
function groupsOf(text: string): number[] | null {
  const [address = ''] = text.split('%', 1)
  const [head = '', tail, rest] = address.split('::')
  if (rest !== undefined) return null
  const first = numbers(head)
  const last = tail === undefined ? [] : numbers(tail)
  if (first === null || last === null) return null
  const missing = 8 - first.length - last.length
  if (tail === undefined ? missing !== 0 : missing < 1) return null
  return [...first, ...new Array<number>(missing).fill(0), ...last]
}

function numbers(text: string): number[] | null {
  if (text === '') return []
  const found: number[] = []
  for (const part of text.split(':')) {
    const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(part)
    if (octets !== null) {
      const [p, q, r, s] = octets.slice(1).map(Number) as [number, number, number, number]
      found.push((p << 8) | q, (r << 8) | s)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      found.push(Number.parseInt(part, 16))
    } else return null
  }
  return found
}

function hex(group: number): string {
  return group.toString(16)
}
