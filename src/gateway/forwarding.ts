import { withoutPort } from '../core/admission/client-key.ts'
import { type Fields, trimWhitespace } from '../http1/fields.ts'
import { endToEndFields } from '../http1/forward.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import { requestStart, responseStart } from '../http1/write-head.ts'
import type { TrustedNetworks } from '../net/address.ts'

/** What somebody in front of us may say about the client, which is only believed of trusted proxies. */
const forwardingFields: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
])

/** These are written anew on the way to a backend. */
const rewrittenFields: ReadonlySet<string> = new Set([...forwardingFields, 'host'])

/** Some programs (CGI, WSGI) read `_` in a name as `-`, so a field that is replaced is so in every spelling. */
const droppedOfTrusted = {
  has: (key: string) => rewrittenFields.has(key) || (startsWithX(key) && rewrittenFields.has(dashed(key))),
}

const droppedOfOthers = {
  has: (key: string) =>
    rewrittenFields.has(key) ||
    (startsWithX(key) && (dashed(key).startsWith('x-forwarded-') || namesClient(dashed(key)))),
}

/** What many programs take for the client's address before they look at `X-Forwarded-For`. */
function namesClient(key: string): boolean {
  return key === 'x-real-ip' || key === 'x-client-ip' || rewrittenFields.has(key)
}

/** Spares all other fields the closer look. */
function startsWithX(key: string): boolean {
  return key.charCodeAt(0) === 0x78
}

function dashed(key: string): string {
  return key.includes('_') ? key.replaceAll('_', '-') : key
}

/** Who is at the other end of a client connection, and what is told to backends about it. */
export class Peer {
  /** IP address, or `'unix'` for a Unix socket. */
  readonly address: string
  /** Whether what it says about the client before it is believed. */
  readonly trusted: boolean
  readonly #networks: TrustedNetworks
  readonly #node: string
  // Most connections only ever ask for one authority, so what is told about them is the same text each time.
  #authority = ''
  #text = ''

  /** Over a Unix socket, and only there, `address` is empty; who may connect there is decided by the file's permissions. */
  constructor(address: string, trusted: TrustedNetworks) {
    this.address = address === '' ? 'unix' : address
    this.#networks = trusted
    this.trusted = address === '' || trusted.contains(address)
    this.#node = forwardedNode(address)
  }

  /** Whether it goes by this list of those who are trusted. */
  knows(trusted: TrustedNetworks): boolean {
    return this.#networks === trusted
  }

  /** The id that a trusted proxy gave this request. */
  requestId(fields: Fields): string | undefined {
    if (!this.trusted) return undefined
    const id = fields.get('x-request-id')
    return id !== undefined && /^[\w.:-]{1,128}$/.test(id) ? id : undefined
  }

  /**
   * The IP address of the client itself: behind trusted proxies the last one of `X-Forwarded-For` that is not
   * theirs, since whatever stands before it is hearsay. Some write ports, which are another each time.
   */
  clientAddress(fields: Fields): string {
    if (!this.trusted) return this.address
    const chain = fields.all('x-forwarded-for').join(',').split(',').map(trimWhitespace)
    const known = chain.map(withoutPort).filter((address) => address !== '')
    return known.findLast((address) => !this.#networks.contains(address)) ?? known[0] ?? this.address
  }

  /** Whether the client came by TLS, as far as a trusted proxy knows: listeners speak plain TCP. */
  secure(fields: Fields): boolean {
    return this.trusted && fields.get('x-forwarded-proto')?.toLowerCase() === 'https'
  }

  /** The fields that tell a backend where a request came from (RFC 7239, and the older ones). */
  forwardingText(authority: string, fields: Fields): string {
    if (this.trusted && saysWhence(fields)) return this.#continued(authority, fields)
    if (this.#text === '' || this.#authority !== authority) {
      this.#authority = authority
      this.#text = forwardingText(this.address, 'http', authority, this.#element(authority, 'http'))
    }
    return this.#text
  }

  /** Adds this hop to what a trusted proxy told. */
  #continued(authority: string, fields: Fields): string {
    const proto = fields.get('x-forwarded-proto') ?? 'http'
    const host = fields.get('x-forwarded-host') ?? authority
    const chain = [...fields.all('x-forwarded-for'), this.address].join(', ')
    const forwarded = [...fields.all('forwarded'), this.#element(host, proto)].join(', ')
    return forwardingText(chain, proto, host, forwarded)
  }

  #element(host: string, proto: string): string {
    return `for=${this.#node};host="${host.replace(/["\\]/g, '')}";proto=${proto.replace(/[^a-z]/gi, '')}`
  }
}

/** The head of a request as a backend gets it, with the upgrade added when it is one. */
export function requestText(head: RequestHead, peer: Peer, requestId: string, upgrade: boolean): string {
  let text = requestStart(head.method, head.target, head.authority)
  text += endToEndFields(head.fields, peer.trusted ? droppedOfTrusted : droppedOfOthers)
  text += peer.forwardingText(head.authority, head.fields)
  text += `X-Request-Id: ${requestId}\r\n`
  if (upgrade) return `${text}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  return head.framing.kind === 'chunked' ? `${text}Transfer-Encoding: chunked\r\n\r\n` : `${text}\r\n`
}

/**
 * The head of an answer as the client gets it.
 * @param connection value of `Connection`, or null for none
 * @param framed whether a body without length is sent in chunks
 * @param added whole field lines of the gateway's own
 */
export function responseText(
  head: ResponseHead,
  connection: string | null,
  framed = true,
  added = '',
): string {
  const { kind } = head.framing
  let text = responseStart(head.status, head.reason) + endToEndFields(head.fields) + added
  if (framed && (kind === 'chunked' || kind === 'close')) text += 'Transfer-Encoding: chunked\r\n'
  if (head.status === 426 && head.fields.has('upgrade')) return requiringText(head, text, connection)
  return connection === null ? `${text}\r\n` : `${text}Connection: ${connection}\r\n\r\n`
}

/** RFC 9110 §15.5.22: a 426 has to say which protocol is required. */
function requiringText(head: ResponseHead, text: string, connection: string | null): string {
  const options = connection === null ? 'Upgrade' : `Upgrade, ${connection}`
  return `${text}Upgrade: ${head.fields.whole('upgrade')}\r\nConnection: ${options}\r\n\r\n`
}

/** The head of a verified 101, with whole field lines of the gateway's own. */
export function switchingText(head: ResponseHead, added: string): string {
  return `${responseStart(101)}${endToEndFields(head.fields)}${added}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
}

function saysWhence(fields: Fields): boolean {
  for (const key of fields.keys) if (forwardingFields.has(key)) return true
  return false
}

function forwardingText(chain: string, proto: string, host: string, forwarded: string): string {
  return `X-Forwarded-For: ${chain}\r\nX-Forwarded-Proto: ${proto}\r\nX-Forwarded-Host: ${host}\r\nForwarded: ${forwarded}\r\n`
}

// RFC 7239 §6: IPv6 in brackets and therefore quoted; `unknown` where there is no address.
function forwardedNode(address: string): string {
  if (address === '') return 'unknown'
  return address.includes(':') ? `"[${address}]"` : address
}
