/** An IP address as people write it: one of IPv4 without the IPv6 in which a listener on both families gives it. */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '') ?? ''
}
