import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

/**
 * The addresses of a host: an IP literal (IPv6 with or without brackets) is its own, a name is asked of the
 * system's resolver. In the resolver's order, each once, at least one.
 * Rejects with the resolver's error (`code` is `ENOTFOUND`, `EAI_AGAIN`, ...).
 */
export async function resolveAddresses(host: string): Promise<readonly string[]> {
  const literal = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  if (isIP(literal) !== 0) return [literal]
  const found = await lookup(host, { all: true, order: 'verbatim' })
  return [...new Set(found.map(({ address }) => address))]
}

/** Whether it is an IP address (without brackets), which needs no resolver. */
export function isAddress(host: string): boolean {
  return isIP(host) !== 0
}

/** A set of IP addresses and networks, such as the proxies whose `Forwarded` fields are believed. */
export interface TrustedNetworks {
  /** Whether the address is in one of the networks. False for what is no IP address (`''` on Unix sockets). */
  contains(ip: string): boolean
}

/**
 * The networks in a list such as `['10.0.0.0/8', '192.0.2.1', 'fd00::/8']`. An IPv4 address that comes mapped
 * into IPv6 (RFC 4291 §2.5.5.2) counts as the IPv4 address it is.
 * Throws a RangeError that names the first entry which is neither an IP address nor a CIDR network.
 */
export function trustedNetworks(list: readonly string[]): TrustedNetworks {
  if (list.length === 0) return nobody
  // Two lists, because a BlockList lets an IPv6 network match IPv4 addresses: '::/0' would trust them all.
  const ipv4 = new BlockList()
  const ipv6 = new BlockList()
  for (const entry of list) {
    const { address, length, version } = parseNetwork(entry)
    if (version === 4) ipv4.addSubnet(address, length, 'ipv4')
    else ipv6.addSubnet(address, length, 'ipv6')
  }
  return {
    contains(ip) {
      const version = isIP(ip)
      if (version === 4) return ipv4.check(ip, 'ipv4')
      if (version === 0 || ip.includes('%')) return false
      // Only an IPv4 address mapped into IPv6 can be in the first.
      return ipv4.check(ip, 'ipv6') || ipv6.check(ip, 'ipv6')
    },
  }
}

const nobody: TrustedNetworks = { contains: () => false }

function parseNetwork(entry: string): { address: string; length: number; version: 4 | 6 } {
  const [address = '', prefix, rest] = entry.split('/')
  const version = address.includes('%') ? 0 : isIP(address)
  const longest = version === 4 ? 32 : 128
  const length = prefix === undefined ? longest : prefixLength(prefix)
  if ((version !== 4 && version !== 6) || rest !== undefined || !(length <= longest)) {
    throw new RangeError(`'${entry}' is neither an IP address nor a network such as 10.0.0.0/8`)
  }
  return { address, length, version }
}

/** NaN for what is no number. */
function prefixLength(text: string): number {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) ? Number(text) : Number.NaN
}
