import { ClientClosedError, ClientOfflineError, createClient, ErrorReply, RESP_TYPES } from 'redis'
import { refused, unavailable, uncertain } from '../../hub/cluster-error.ts'
import type { RedisAddress, RedisPlace } from './redis-options.ts'

/** For the TCP connection, TLS, and the first answer. */
const connectWithin = 3_000
const pingEvery = 2_000
const pongWithin = 3_000
/** Bytes under way; more than that, and the broker is as good as away. */
const maxUnderWay = 64 * 1024 * 1024

export type RedisArgument = string | Buffer

/** What a server says when it will not have acted: it is not the right one, or not ready. */
const notActed = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY|LOADING|MASTERDOWN|BUSY|NOREPLICAS|NOSCRIPT)\b/

/** Of these, what only a new connection mends: to another server, or with the scripts loaded again. */
const misplaced = /^(MOVED|ASK|CLUSTERDOWN|READONLY|LOADING|MASTERDOWN|NOSCRIPT)\b/

type Client = ReturnType<typeof newClient>

function newClient(place: RedisPlace, address: RedisAddress, access: RedisPlace['access'], database: number) {
  const { username, password, tls } = access
  const secure =
    tls === undefined || tls === false ? {} : { ...(tls === true ? {} : tls), tls: true as const }
  return createClient({
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(place.kind === 'server' || place.kind === 'sentinel' ? { database } : {}),
    // We connect anew ourselves: only then is it known what was lost, and what is in force again.
    socket: {
      ...secure,
      host: address.host,
      port: address.port,
      connectTimeout: connectWithin,
      reconnectStrategy: false,
    },
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
  })
}

/** One connection to one server. Once lost it stays lost. */
export class RedisConnection {
  /** Of this server's process: another one has not necessarily all that this one had. */
  runId = ''
  readonly address: RedisAddress
  readonly #client: Client
  readonly #lost: (reason: string) => void
  #state: 'connecting' | 'open' | 'lost' = 'connecting'
  #underWay = 0
  #timer: NodeJS.Timeout | null = null

  private constructor(client: Client, address: RedisAddress, lost: (reason: string) => void) {
    this.#client = client
    this.address = address
    this.#lost = lost
    client.on('error', (error: Error) => this.#lose(error.message))
    client.on('end', () => this.#lose('the connection was closed'))
    // A slot has moved away, and our subscription with it.
    client.on('sharded-channel-moved', () => this.#lose('a slot has moved to another server'))
  }

  /**
   * @param lost called once, when a connection that was open is lost
   * @throws FairleadError CLUSTER_UNAVAILABLE
   */
  static async open(
    place: RedisPlace,
    address: RedisAddress,
    lost: (reason: string) => void,
    sentinel = false,
  ): Promise<RedisConnection> {
    const access = sentinel ? place.sentinelAccess : place.access
    const client = newClient(place, address, access, sentinel ? 0 : place.database)
    const connection = new RedisConnection(client, address, lost)
    let late = false
    const deadline = setTimeout(() => {
      late = true
      connection.close()
    }, connectWithin)
    try {
      await client.connect()
      const info = await client.sendCommand<string>(['INFO', 'server'], {}).catch((error: unknown) => {
        if (error instanceof ErrorReply) return ''
        throw error
      })
      connection.runId = /run_id:(\w+)/.exec(info)?.[1] ?? ''
      if (connection.#state !== 'connecting') throw new Error('closed while connecting')
    } catch (error) {
      connection.close()
      // What the client says of it then is that it was told to end.
      const why = late ? `no answer within ${connectWithin} ms` : messageOf(error)
      throw unavailable(`Redis cannot be reached: ${why}`, error)
    } finally {
      clearTimeout(deadline)
    }
    connection.#state = 'open'
    connection.#watch()
    return connection
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  /** @throws FairleadError of the cluster port */
  async request<T>(args: readonly RedisArgument[], size = 0): Promise<T> {
    if (this.#state !== 'open') throw unavailable('not connected to Redis')
    if (this.#underWay + size > maxUnderWay) throw unavailable('too much is under way to Redis')
    this.#underWay += size
    try {
      return await this.#client.sendCommand<T>(args, { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } })
    } catch (error) {
      throw this.#failure(error)
    } finally {
      this.#underWay -= size
    }
  }

  async subscribe(
    names: string[],
    sharded: boolean,
    heard: (payload: Buffer, name: Buffer) => void,
  ): Promise<void> {
    try {
      if (sharded) await this.#client.sSubscribe(names, heard, true)
      else await this.#client.subscribe(names, heard, true)
    } catch (error) {
      const failure = this.#failure(error)
      // Whatever it was, not all is heard that should be.
      this.#lose(failure.message)
      throw failure
    }
  }

  async unsubscribe(names: string[], sharded: boolean): Promise<void> {
    try {
      if (sharded) await this.#client.sUnsubscribe(names)
      else await this.#client.unsubscribe(names)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /** Tells nothing any more. */
  close(): void {
    this.#state = 'lost'
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#client.isOpen) this.#client.destroy()
  }

  #lose(reason: string): void {
    if (this.#state !== 'open') return
    this.close()
    this.#lost(reason)
  }

  #failure(error: unknown) {
    const text = messageOf(error)
    if (error instanceof ClientClosedError || error instanceof ClientOfflineError) {
      return unavailable('not connected to Redis', error)
    }
    if (!(error instanceof ErrorReply)) return uncertain('the connection to Redis broke', error)
    if (!notActed.test(text)) return refused(`Redis: ${text}`, error)
    if (misplaced.test(text)) queueMicrotask(() => this.#lose(text.split(' ')[0] as string))
    return unavailable(`Redis: ${text.split(' ')[0]}`, error)
  }

  /** Finds out that a server has stopped answering, with its connections open. */
  #watch(): void {
    this.#timer = setTimeout(() => {
      const late = setTimeout(() => this.#lose(`no answer for ${pongWithin} ms`), pongWithin)
      late.unref()
      this.#client.ping().then(
        () => {
          clearTimeout(late)
          if (this.#state === 'open') this.#watch()
        },
        () => clearTimeout(late),
      )
    }, pingEvery)
    this.#timer.unref()
  }
}

/** What clients and servers say holds no credentials. */
function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}
