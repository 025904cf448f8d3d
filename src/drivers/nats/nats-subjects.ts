/**
 * The subjects of one namespace: `c` channels, `h` histories, `n` nodes, `t` time. A channel is one token, so that no name of it
 * is a wildcard or several tokens: what a token cannot hold stands there as `%` and two hexadecimal digits.
 */
function tokenOf(channel: string): string {
  return encodeURIComponent(channel).replaceAll('.', '%2E').replaceAll('*', '%2A')
}

export function channelSubject(namespace: string, channel: string): string {
  return `${namespace}.c.${tokenOf(channel)}`
}

/** What is kept here is published by the server under the channel's subject. */
export function historySubject(namespace: string, channel: string): string {
  return `${namespace}.h.${tokenOf(channel)}`
}

/** Of the messages by which a node learns the server's time. */
export function clockSubject(namespace: string): string {
  return `${namespace}.t`
}

export function nodeSubject(namespace: string, id: string): string {
  return `${namespace}.n.${id}`
}
