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

/** Names of subprotocols and of header fields (RFC 9110 §5.6.2). */
export const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** What is wrong with a `Sec-WebSocket-Protocol` field, or null: names that are tokens, each once (RFC 6455 §4.1). */
export function problemOfProtocols(field: string | null | undefined): string | null {
  if (field === null || field === undefined) return null
  const names = field.split(',').map((name) => name.trim())
  const fine = names.every((name) => token.test(name)) && new Set(names).size === names.length
  return fine ? null : 'Sec-WebSocket-Protocol is no list of names'
}
