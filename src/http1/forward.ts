import { type FieldName, mark } from './field-names.ts'
import { type Fields, listContains, listMembers } from './fields.ts'

/**
 * The fields that go on to the next hop, as text: each `Name: value CRLF`, in order, names as received.
 *
 * Left out (RFC 9110 §7.6.1): `Connection` and what it names, `Keep-Alive`, `Proxy-*`, `Proxy` (CGI programs
 * would take it for a proxy setting), `Transfer-Encoding` and `Upgrade` (the caller writes its own), and `TE`
 * except for `TE: trailers`. `Trailer` stays.
 *
 * What `Connection` names is left out only if it is not in `neverHopByHop`: no client may make us drop a field
 * that decides about framing, routing, identity or caching.
 *
 * @param drop further lower-case names to leave out, which the caller replaces
 */
export function endToEndFields(fields: Fields, drop?: Pick<ReadonlySet<string>, 'has'>): string {
  const named = (fields.marks & mark.connection) === 0 ? null : namedByConnection(fields)
  const { entries, values } = fields
  let text = ''
  for (let i = 0; i < entries.length; i++) {
    const { name, key, marks } = entries[i] as FieldName
    if ((marks & mark.hop) !== 0 || drop?.has(key) || named?.includes(key)) continue
    text += `${name}: ${values[i]}\r\n`
  }
  return (fields.marks & mark.te) !== 0 && acceptsTrailers(fields) ? `${text}TE: trailers\r\n` : text
}

/**
 * Whether a field is end-to-end whatever `Connection` says. RFC 9110 §7.6.1 forbids connection options for
 * fields meant for all recipients, so nobody honest loses anything by this.
 */
export function neverHopByHop(key: string): boolean {
  return protectedNames.has(key) || protectedPrefixes.test(key)
}

const protectedPrefixes = /^(?:content-|x-forwarded-|sec-|if-|access-control-|fairlead-)/

const protectedNames = new Set(
  `accept accept-encoding accept-language accept-ranges age allow authorization authentication-info
  cache-control cookie date etag expect expires forwarded from host last-modified location max-forwards origin
  pragma range referer retry-after server set-cookie strict-transport-security trailer user-agent vary via
  www-authenticate x-client-ip x-csrf-token x-http-method-override x-original-url x-real-ip x-request-id
  x-rewrite-url`.split(/\s+/),
)

/** Options that name no field, or one that is left out anyway: with only these there is nothing to look for. */
const plainOptions = new Set(['close', 'keep-alive', 'upgrade', 'te', 'transfer-encoding'])

function namedByConnection(fields: Fields): string[] | null {
  let named: string[] | null = null
  for (const value of fields.all('connection')) {
    if (plainOptions.has(value.toLowerCase())) continue
    for (const option of listMembers(value)) {
      if (plainOptions.has(option) || neverHopByHop(option)) continue
      named ??= []
      named.push(option)
    }
  }
  return named
}

/** RFC 9110 §10.1.4: `trailers` says the sender will not drop trailer fields; the codings are our own affair. */
function acceptsTrailers(fields: Fields): boolean {
  return fields.all('te').some((value) => listContains(value, 'trailers'))
}
