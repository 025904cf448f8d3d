import type { ConnectionOptions } from 'node:tls'
import { FairleadError } from '../../core/errors.ts'
import { describeAddress, unknownKey } from '../../core/options/driver-options.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

interface Access {
  readonly username?: string
  readonly password?: string
  /** TLS, with what Node's `tls.connect` takes beside host and port. */
  readonly tls?: boolean | ConnectionOptions
}

/** One Redis or Valkey server. */
export interface RedisServerOptions extends Access {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. */
  readonly url: string
}

/** A master that sentinels watch over. */
export interface RedisSentinelOptions extends Access {
  readonly sentinels: readonly RedisAddress[]
  /** The master's name at the sentinels. */
  readonly master: string
  readonly database?: number
  /** Of the sentinels themselves, when they ask for them. */
  readonly sentinelUsername?: string
  readonly sentinelPassword?: string
  /** Where a sentinel or a master is reached from here, when not where it says (NAT, containers). */
  readonly mapAddress?: (address: RedisAddress) => RedisAddress
}

/** A Redis Cluster (7 or later, for sharded pub/sub). */
export interface RedisClusterOptions extends Access {
  /** Some of its servers: the others are found through them. */
  readonly cluster: readonly RedisAddress[]
  /** Where a server is reached from here, when not where it says (NAT, containers). */
  readonly mapAddress?: (address: RedisAddress) => RedisAddress
}

export type RedisOptions = RedisServerOptions | RedisSentinelOptions | RedisClusterOptions

/** Options as parsed: where to look, and how to get in. */
export interface RedisPlace {
  readonly kind: 'server' | 'sentinel' | 'cluster'
  /** Servers, sentinels, or some of a cluster. */
  readonly addresses: readonly RedisAddress[]
  readonly master: string
  readonly database: number
  readonly access: Access
  /** How to get in to the sentinels. */
  readonly sentinelAccess: Access
  readonly mapAddress: (address: RedisAddress) => RedisAddress
}

const ofAll = ['username', 'password', 'tls']
const fields = {
  server: ['url', ...ofAll],
  sentinel: [
    'sentinels',
    'master',
    'database',
    'sentinelUsername',
    'sentinelPassword',
    'mapAddress',
    ...ofAll,
  ],
  cluster: ['cluster', 'mapAddress', ...ofAll],
}

/** @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
export function parseRedisOptions(given: string | RedisOptions | undefined): RedisPlace {
  const options = typeof given === 'object' && given !== null ? given : { url: given as string }
  const kind = 'cluster' in options ? 'cluster' : 'sentinels' in options ? 'sentinel' : 'server'
  const unknown = unknownKey(options, fields[kind])
  if (unknown !== null) throw wrong(fields[kind].join(', '), unknown)
  const access = parseAccess(options.username, options.password, options.tls, '')
  if (kind !== 'server') whole(access)
  const rest = { kind, access, sentinelAccess: access, master: '', database: 0, mapAddress: same } as const
  if ('cluster' in options) {
    const mapAddress = checkedMap(options.mapAddress)
    return { ...rest, addresses: checked('cluster', options.cluster), mapAddress }
  }
  if (!('sentinels' in options)) return { ...rest, ...parseUrl(options.url, access) }
  const { sentinels, master, database = 0, sentinelUsername, sentinelPassword, tls } = options
  if (typeof master !== 'string' || master === '') throw wrong('the name of the master as `master`', 'none')
  if (!Number.isSafeInteger(database) || database < 0)
    throw wrong('the number of a database as `database`', 'something else')
  const sentinelAccess = whole(parseAccess(sentinelUsername, sentinelPassword, tls, 'sentinel'))
  const mapAddress = checkedMap(options.mapAddress)
  return { ...rest, addresses: checked('sentinels', sentinels), master, database, sentinelAccess, mapAddress }
}

function parseAccess(username: unknown, password: unknown, tls: unknown, whose: '' | 'sentinel'): Access {
  const of = whose === '' ? '' : ' of the sentinels'
  for (const [what, value] of Object.entries({ user: username, password })) {
    if (value !== undefined && typeof value !== 'string') throw wrong(`a text as ${what}${of}`, typeof value)
  }
  const isTls = tls === undefined || typeof tls === 'boolean' || (typeof tls === 'object' && tls !== null)
  if (!isTls) throw wrong('true, false or an object as `tls`', typeof tls)
  return {
    ...(username === undefined ? {} : { username: username as string }),
    ...(password === undefined ? {} : { password: password as string }),
    ...(tls === undefined ? {} : { tls: tls as boolean | ConnectionOptions }),
  }
}

const addressWanted = 'an address as redis://host:6379 or rediss://host:6379'
const encoded = 'with / ? # @ and % of user and password written as %2F %3F %23 %40 and %25'

function parseUrl(text: unknown, access: Access): Pick<RedisPlace, 'addresses' | 'database' | 'access'> {
  const trimmed = typeof text === 'string' ? text.trim() : ''
  if (!/^rediss?:\/\//i.test(trimmed)) throw wrong(addressWanted, describeAddress(text))
  const url = URL.canParse(trimmed) ? new URL(trimmed) : null
  if (url === null || url.hostname === '' || /[@?#]/.test(url.pathname + url.search + url.hash)) {
    throw wrong(`${addressWanted}, and nothing behind the database, ${encoded}`, 'something else')
  }
  const path = url.pathname.slice(1)
  if (!/^\d{0,9}$/.test(path)) throw wrong('the number of a database as path', 'something else')
  const port = Number(url.port || '6379')
  if (port === 0) throw wrong('a port from 1 to 65535', '0')
  const isSecure = url.protocol === 'rediss:'
  if (isSecure && access.tls === false) throw wrong('no `tls: false` with rediss://', 'both')
  return {
    // IPv6 addresses stand in brackets.
    addresses: [{ host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port }],
    database: Number(path),
    access: whole({
      ...(url.username === '' ? {} : { username: decoded(url.username) }),
      ...(url.password === '' ? {} : { password: decoded(url.password) }),
      ...(isSecure ? { tls: true } : {}),
      ...access,
    }),
  }
}

/** A user alone would not be said to the server at all. */
function whole(access: Access): Access {
  if (access.username !== undefined && access.password === undefined)
    throw wrong('a password with the user', 'none')
  return access
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong(`an address ${encoded}`, 'a % of its own')
  }
}

function checked(field: string, addresses: unknown): readonly RedisAddress[] {
  const fine = (each: unknown) =>
    typeof each === 'object' &&
    each !== null &&
    'host' in each &&
    'port' in each &&
    typeof each.host === 'string' &&
    each.host !== '' &&
    Number.isInteger(each.port) &&
    Number(each.port) >= 1 &&
    Number(each.port) <= 65_535
  if (!Array.isArray(addresses) || addresses.length === 0 || !addresses.every(fine)) {
    throw wrong(`a list of { host, port } as \`${field}\``, 'something else')
  }
  return addresses as RedisAddress[]
}

function checkedMap(mapAddress: unknown = same): RedisPlace['mapAddress'] {
  if (typeof mapAddress !== 'function') throw wrong('a function as `mapAddress`', typeof mapAddress)
  return mapAddress as RedisPlace['mapAddress']
}

function same(address: RedisAddress): RedisAddress {
  return address
}

function wrong(expected: string, found: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', `redis: expected ${expected}, found ${found}`, {
    source: 'config',
    retryable: false,
  })
}
