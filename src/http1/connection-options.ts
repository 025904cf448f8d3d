import { failure, type HeadFailure } from './failure.ts'
import { isToken, mark, repeatedShift } from './field-names.ts'
import { type Fields, listContains, listMembers } from './fields.ts'

const badOption = failure(400, 'invalid Connection field')

/** What the `Connection` field says about the connection itself. */
export interface ConnectionOptions {
  readonly close: boolean
  readonly keepAlive: boolean
  readonly upgrade: boolean
}

const none: ConnectionOptions = Object.freeze({ close: false, keepAlive: false, upgrade: false })
const close: ConnectionOptions = Object.freeze({ close: true, keepAlive: false, upgrade: false })
const keep: ConnectionOptions = Object.freeze({ close: false, keepAlive: true, upgrade: false })
const upgrade: ConnectionOptions = Object.freeze({ close: false, keepAlive: false, upgrade: true })

const common = new Map<string, ConnectionOptions>([
  ['keep-alive', keep],
  ['Keep-Alive', keep],
  ['close', close],
  ['Close', close],
  ['Upgrade', upgrade],
  ['upgrade', upgrade],
])

/** Reads the options; members that are not tokens are a failure (RFC 9110 §7.6.1). */
export function connectionOptions(fields: Fields): ConnectionOptions | HeadFailure {
  if ((fields.marks & mark.connection) === 0) return none
  if ((fields.marks & (mark.connection << repeatedShift)) === 0) {
    const known = common.get(fields.get('connection') as string)
    if (known !== undefined) return known
  }
  const value = fields.all('connection').join(',')
  for (const member of listMembers(value)) if (!isToken(member)) return badOption
  return {
    close: listContains(value, 'close'),
    keepAlive: listContains(value, 'keep-alive'),
    upgrade: listContains(value, 'upgrade'),
  }
}

/**
 * Whether the connection may carry another message after this one (RFC 9112 §9.3): HTTP/1.1 unless `close`,
 * HTTP/1.0 only with `keep-alive`; `close` wins over `keep-alive`.
 */
export function persists(minor: 0 | 1, options: ConnectionOptions): boolean {
  return !options.close && (minor === 1 || options.keepAlive)
}

/**
 * The protocol a message upgrades to, lower case, or null. `Upgrade` counts only when `Connection` lists it,
 * and never in HTTP/1.0 (RFC 9110 §7.8).
 */
export function upgradeOf(fields: Fields, minor: 0 | 1, options: ConnectionOptions): string | null {
  if (!options.upgrade || minor === 0 || (fields.marks & mark.upgrade) === 0) return null
  return fields.all('upgrade').join(', ').toLowerCase()
}
