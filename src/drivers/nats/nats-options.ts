import type { ConnectionOptions } from '@nats-io/transport-node'
import { FairleadError } from '../../core/errors.ts'

export interface NatsOptions {
  /** `nats://host:4222`, or several servers of one cluster. */
  readonly servers: string | readonly string[]
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  /** As `@nats-io/transport-node` takes it. */
  readonly tls?: NonNullable<ConnectionOptions['tls']>
  /** As `@nats-io/transport-node` takes it: NKeys, JWT, credentials files. */
  readonly authenticator?: NonNullable<ConnectionOptions['authenticator']>
}

/** What a connection is made with. @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
export function parseNatsOptions(given: string | NatsOptions): ConnectionOptions {
  const { servers, ...access } = typeof given === 'string' ? { servers: given } : given
  const list = typeof servers === 'string' ? [servers] : servers
  const fine = Array.isArray(list) && list.length > 0 && list.every(isServer)
  if (!fine) {
    const message = 'nats: expected `servers` as nats://host:4222, without user, found something else'
    throw new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false })
  }
  return {
    ...access,
    servers: [...list],
    // We connect anew ourselves: only then is it known what was lost, and what is in force again.
    reconnect: false,
    timeout: 3_000,
    pingInterval: 2_000,
    maxPingOut: 2,
  }
}

function isServer(text: unknown): boolean {
  if (typeof text !== 'string' || !URL.canParse(text)) return false
  const { protocol, username, password, hostname } = new URL(text)
  return /^(nats|tls):$/.test(protocol) && username + password === '' && hostname !== ''
}
