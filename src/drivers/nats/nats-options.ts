import type { Authenticator, TlsOptions } from '@nats-io/transport-node'
import {
  type BrokerForm,
  objectOption,
  parseBrokerAddresses,
  textOption,
  wrongOption,
} from '../../hub/broker-addresses.ts'

/** NATS servers that are one system, and how to get in. */
export interface NatsOptions {
  /**
   * `nats://[user:password@]host[:4222]` or `nats://token@host`, with `tls://` for TLS. Of several, any that can be
   * reached is used, with the same user or token.
   */
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

const form: BrokerForm = {
  driver: 'nats',
  addresses: 'servers',
  others: ['username', 'password', 'token', 'authenticator', 'tls', 'replicas', 'storage'],
  schemes: ['nats:', 'tls:'],
  examples: 'nats://host:4222 or tls://host:4222',
}

/** @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
export function parseNatsOptions(given: string | NatsOptions | undefined): NatsPlace {
  const { options, urls, ...inUrl } = parseBrokerAddresses<NatsOptions>(given, form)
  const { authenticator, replicas = 1, storage = 'file' } = options
  if (![1, 3, 5].includes(replicas)) {
    const found = typeof replicas === 'number' ? `${replicas}` : typeof replicas
    throw wrongOption(form, '1, 3 or 5 as `replicas`', found)
  }
  if (storage !== 'file' && storage !== 'memory') {
    throw wrongOption(form, 'file or memory as `storage`', 'something else')
  }
  if (authenticator !== undefined && typeof authenticator !== 'function' && !Array.isArray(authenticator)) {
    throw wrongOption(form, 'what the client makes as `authenticator`', typeof authenticator)
  }
  const tls = objectOption(form, 'tls', options.tls)
  const secure = tls ?? (urls.some(({ protocol }) => protocol === 'tls:') ? {} : undefined)
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || '4222'}`),
    access: {
      ...whoIs(options, inUrl),
      ...(authenticator === undefined ? {} : { authenticator }),
      ...(secure === undefined ? {} : { tls: secure }),
    },
    replicas,
    storage,
  }
}

/** A user alone in an address is a token: so NATS itself writes one. */
function whoIs(
  options: NatsOptions,
  inUrl: { readonly user: string; readonly password: string },
): Pick<NatsPlace['access'], 'user' | 'pass' | 'token'> {
  const pass = textOption(form, 'password', options.password) ?? (inUrl.password || undefined)
  const given = textOption(form, 'token', options.token)
  const username = textOption(form, 'username', options.username)
  const isToken = inUrl.user !== '' && pass === undefined && username === undefined
  const user = username ?? (isToken ? undefined : inUrl.user || undefined)
  const token = given ?? (isToken ? inUrl.user : undefined)
  if ((given !== undefined && isToken) || (token !== undefined && user !== undefined)) {
    throw wrongOption(form, 'one token, or user and password', 'more than one of them')
  }
  if ((user === undefined) !== (pass === undefined)) {
    throw wrongOption(form, 'user and password', `a ${user === undefined ? 'password' : 'user'} alone`)
  }
  if (user !== undefined) return { user, pass: pass as string }
  return token === undefined ? {} : { token }
}
