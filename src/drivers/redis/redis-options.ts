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

const accessKeys = ['username', 'password', 'tls']
const knownKeys = {
  url: ['url', ...accessKeys],
  cluster: ['cluster', 'mapAddress', ...accessKeys],
  sentinels: ['sentinels', 'master', 'database', 'sentinelUsername', 'sentinelPassword', ...accessKeys],
}

/** @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
export function parseRedisOptions(given: string | RedisOptions | undefined): RedisPlace {
  const options = typeof given === 'object' && given !== null ? given : { url: given as string }
  const kind = 'cluster' in options ? 'cluster' : 'sentinels' in options ? 'sentinels' : 'url'
  const unknown = unknownKey(options, knownKeys[kind])
  if (unknown !== null) throw wrong(knownKeys[kind].join(', '), unknown)
  const { username, password, tls } = options
  const access: Access = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  }
  const rest = { access, sentinelAccess: access, master: '', database: 0, mapAddress: same }
  if ('cluster' in options) {
    const { cluster, mapAddress = same } = options
    return { ...rest, kind: 'cluster', addresses: checked('cluster', cluster), mapAddress }
  }
  if ('sentinels' in options) {
    const { sentinels, master, database = 0, sentinelUsername, sentinelPassword } = options
    if (typeof master !== 'string' || master === '') throw wrong('the name of the master as `master`', 'none')
    const sentinelAccess: Access = {
      ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
      ...(tls === undefined ? {} : { tls }),
    }
    return {
      ...rest,
      kind: 'sentinel',
      addresses: checked('sentinels', sentinels),
      master,
      database,
      sentinelAccess,
    }
  }
  return { ...rest, kind: 'server', ...parseUrl(options.url, access) }
}

function parseUrl(text: unknown, access: Access): Pick<RedisPlace, 'addresses' | 'database' | 'access'> {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^rediss?:$/.test(url.protocol) || url.hostname === '') {
    throw wrong('an address as redis://host:6379 or rediss://host:6379', describeAddress(text))
  }
  const database = Number(url.pathname.slice(1) || '0')
  if (!Number.isInteger(database) || database < 0)
    throw wrong('the number of a database as path', url.pathname)
  // IPv6 addresses stand in brackets.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    addresses: [{ host, port: Number(url.port || '6379') }],
    database,
    access: {
      ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
      ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
      ...(url.protocol === 'rediss:' ? { tls: true } : {}),
      ...access,
    },
  }
}

function checked(field: string, addresses: unknown): readonly RedisAddress[] {
  const fine =
    Array.isArray(addresses) &&
    addresses.length > 0 &&
    addresses.every((each) => typeof each?.host === 'string' && Number.isInteger(each.port))
  if (!fine) throw wrong(`a list of { host, port } as \`${field}\``, 'something else')
  return addresses as RedisAddress[]
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
