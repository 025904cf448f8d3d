import { hashText } from '../core/balancing/hash-text.ts'
import { cookieValue } from '../http1/cookie.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { Peer } from './forwarding.ts'
import type { HashSource } from './policy-options.ts'

/** The key of a request for a consistent hash. */
export type KeyOf = (head: RequestHead, peer: Peer) => number

/** By a part of the request. Whoever does not bring it goes anywhere, instead of all to one backend. */
export function hashKey(source: HashSource, random: () => number = Math.random): KeyOf {
  return (head) => {
    const text = textOf(head, source)
    return text === undefined || text === '' ? Math.floor(random() * 2 ** 32) : hashText(text)
  }
}

/** By the client's address, also behind trusted proxies. */
export const sourceIpKey: KeyOf = (head, peer) => hashText(peer.clientAddress(head.fields))

function textOf(head: RequestHead, source: HashSource): string | undefined {
  if (source.kind === 'segment') return head.path.split('/')[source.number]
  if (source.kind === 'header') return head.fields.whole(source.name)
  if (source.kind === 'cookie') return cookieValue(head.fields, source.name)
  return new URLSearchParams(head.query).get(source.name) ?? undefined
}
