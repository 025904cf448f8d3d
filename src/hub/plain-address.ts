/** What was told last, and what became of it: behind a proxy all connections have one address, and share one text. */
let told = ''
let plain = ''

/** An IP address as people write it: one of IPv4 without the IPv6 in which a listener on both families gives it. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return ''
  if (address !== told) {
    told = address
    plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  }
  return plain
}
