import type { Authenticator, TlsOptions } from '@nats-io/transport-node'
import { FairleadError } from '../../core/errors.ts'
import { describeAddress, unknownKey } from '../../core/options/driver-options.ts'

/** NATS servers that are one system, and how to get in. */
export interface NatsOptions {
  /** `nats://[user:password@]host[:4222]`, or `tls://` for TLS. Of several, any that can be reached is used. */
  readonly servers: string | readonly string[]
  readonly username?: string
  readonly password?: string
  readonly token?: string
  /** For NKeys and JWT: what the client's `nkeyAuthenticator` or `credsAuthenticator` makes. */
  readonly authenticator?: Authenticator
  /** Certificates: what the client takes as `tls`. */
  readonly tls?: TlsOptions
  /** On how many servers leases and histories are kept: 1, 3 or 5. @default 1 */
  readonly replicas?: number
  /** Where they are kept. In `memory`, a restart of all servers begins histories anew. @default 'file' */
  readonly storage?: 'file' | 'memory'
}

/** Options as parsed. */
export interface NatsPlace {
  /** `host:port` */
  readonly servers: readonly string[]
  readonly access: {
    readonly user?: string
    readonly pass?: string
    readonly token?: string
    readonly authenticator?: Authenticator
    readonly tls?: TlsOptions
  }
  readonly replicas: number
  readonly storage: 'file' | 'memory'
}

const knownKeys = ['servers', 'username', 'password', 'token', 'authenticator', 'tls', 'replicas', 'storage']

/** @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
export function parseNatsOptions(given: string | NatsOptions | undefined): NatsPlace {
  const options = optionsOf(given)
  const unknown = unknownKey(options, knownKeys)
  if (unknown !== null) throw wrong(knownKeys.join(', '), unknown)
  const { servers, username, password, token, authenticator, tls, replicas = 1, storage = 'file' } = options
  const list: readonly unknown[] = Array.isArray(servers) ? servers : [servers]
  if (list.length === 0) throw wrong('at least one address as `servers`', 'none')
  const parsed = list.map(parseServer)
  if (![1, 3, 5].includes(replicas)) throw wrong('1, 3 or 5 as `replicas`', `${replicas}`)
  if (storage !== 'file' && storage !== 'memory') throw wrong('file or memory as `storage`', 'something else')
  const inUrl = parsed.find(({ user }) => user !== undefined)
  const user = username ?? inUrl?.user
  const pass = password ?? inUrl?.pass
  const secure = tls ?? (parsed.some(({ tls }) => tls) ? {} : undefined)
  return {
    servers: parsed.map(({ address }) => address),
    access: {
      ...(user === undefined ? {} : { user }),
      ...(pass === undefined ? {} : { pass }),
      ...(token === undefined ? {} : { token }),
      ...(authenticator === undefined ? {} : { authenticator }),
      ...(secure === undefined ? {} : { tls: secure }),
    },
    replicas,
    storage,
  }
}

function optionsOf(given: string | NatsOptions | undefined): NatsOptions {
  if (typeof given === 'object' && given !== null) return given
  return { servers: typeof given === 'string' ? given.split(',') : (given as unknown as string) }
}

function parseServer(text: unknown): { address: string; user?: string; pass?: string; tls: boolean } {
  const url = typeof text === 'string' && URL.canParse(text.trim()) ? new URL(text.trim()) : null
  if (url === null || !/^(nats|tls):$/.test(url.protocol) || url.hostname === '') {
    throw wrong('an address as nats://host:4222 or tls://host:4222', describeAddress(text))
  }
  return {
    address: `${url.hostname}:${url.port || '4222'}`,
    ...(url.username === '' ? {} : { user: decoded(url.username) }),
    ...(url.password === '' ? {} : { pass: decoded(url.password) }),
    tls: url.protocol === 'tls:',
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong('user and password with % only before two hexadecimal digits', 'something else')
  }
}

function wrong(expected: string, found: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', `nats: expected ${expected}, found ${found}`, {
    source: 'config',
    retryable: false,
  })
}
