/** The subprotocols of a `Sec-WebSocket-Protocol` field, in order (RFC 6455 §11.3.4). */
export function offeredProtocols(field: string | undefined): string[] {
  if (field === undefined) return []
  return field
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** The first of `known` that is among `offered`, or null: the server's order decides. */
export function chooseProtocol(known: readonly string[], offered: readonly string[]): string | null {
  return known.find((name) => offered.includes(name)) ?? null
}
