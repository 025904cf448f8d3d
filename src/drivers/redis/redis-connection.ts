import { ClientClosedError, ClientOfflineError, createClient, ErrorReply, RESP_TYPES } from 'redis'
import { refused, unavailable, uncertain } from '../../hub/cluster-error.ts'
import { watchAnswers } from '../../hub/link/answer-watch.ts'
import { UnderWay } from '../../hub/link/under-way.ts'
import type { RedisAddress, RedisPlace } from './redis-options.ts'
import { codeOfReply, textOfReply } from './redis-replies.ts'

/** For the TCP connection, TLS, and the first answer. */
const connectWithin = 3_000

export type RedisArgument = string | Buffer

/** What a server says when it will not have acted: it is not the right one, not ready, or has no room just now. */
const notActed =
  /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY|LOADING|MASTERDOWN|BUSY|NOREPLICAS|NOSCRIPT|OOM|MISCONF)$/

/**
 * Of these, what only a new connection mends: to another server, or with the scripts loaded again. A slot that is being
 * moved (ASK) is not among them: what is subscribed to stays where it is until it has moved.
 */
const misplaced = /^(MOVED|CLUSTERDOWN|READONLY|LOADING|MASTERDOWN|NOSCRIPT)$/

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
    // No timer for each command: a server that does not answer is found out for all of them.
    commandOptions: { timeout: 0 },
  })
}

/** One connection to one server. Once lost it stays lost. */
export class RedisConnection {
  readonly address: RedisAddress
  readonly #client: Client
  readonly #lost: (reason: string) => void
  readonly #underWay = new UnderWay('Redis')
  #state: 'connecting' | 'open' | 'lost' = 'connecting'
  #endWatch: () => void = () => {}

  private constructor(client: Client, address: RedisAddress, lost: (reason: string) => void) {
    this.#client = client
    this.address = address
    this.#lost = lost
    client.on('error', (error: Error) => this.#lose(messageOf(error)))
    client.on('end', () => this.#lose('the connection was closed'))
    // A slot has moved away, and our subscription with it. Not told while a request is under way: then the next look
    // at the layout finds it.
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
      if (connection.#state !== 'connecting') throw new Error('closed while connecting')
    } catch (error) {
      connection.close()
      // What the client says of it then is that it was told to end.
      const why = late ? `no answer within ${connectWithin} ms` : messageOf(error)
      throw unavailable(`Redis cannot be reached: ${why}`, causeOf(error))
    } finally {
      clearTimeout(deadline)
    }
    connection.#state = 'open'
    connection.#endWatch = watchAnswers(
      () => connection.#answered(),
      (reason) => connection.#lose(reason),
    )
    return connection
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  /** @throws FairleadError of the cluster port */
  async request<T>(args: readonly RedisArgument[], size = 0): Promise<T> {
    if (this.#state !== 'open') throw unavailable('not connected to Redis')
    const taken = this.#underWay.enter(size)
    try {
      return await this.#client.sendCommand<T>(args, { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } })
    } catch (error) {
      throw this.#failure(error, `${args[0]}`)
    } finally {
      this.#underWay.leave(taken)
    }
  }

  /** Rejects with CLUSTER_REFUSED when one of them is not permitted, and none is in force then; else it is lost. */
  async subscribe(
    names: string[],
    sharded: boolean,
    heard: (payload: Buffer, name: Buffer) => void,
  ): Promise<void> {
    try {
      if (sharded) await this.#client.sSubscribe(names, heard, true)
      else await this.#client.subscribe(names, heard, true)
    } catch (error) {
      const failure = this.#failure(error, 'SUBSCRIBE')
      // Not all is heard that should be.
      if (failure.code !== 'CLUSTER_REFUSED') this.#lose(failure.message)
      throw failure
    }
  }

  async unsubscribe(names: string[], sharded: boolean): Promise<void> {
    try {
      if (sharded) await this.#client.sUnsubscribe(names)
      else await this.#client.unsubscribe(names)
    } catch (error) {
      throw this.#failure(error, 'UNSUBSCRIBE')
    }
  }

  /** Tells nothing any more. */
  close(): void {
    this.#state = 'lost'
    this.#endWatch()
    if (this.#client.isOpen) this.#client.destroy()
  }

  #lose(reason: string): void {
    if (this.#state !== 'open') return
    this.close()
    this.#lost(reason)
  }

  /** One that may not ask is answered, too. */
  async #answered(): Promise<void> {
    await this.#client.ping().catch((error: unknown) => {
      if (!(error instanceof ErrorReply)) throw error
    })
  }

  #failure(error: unknown, command: string) {
    if (error instanceof ClientClosedError || error instanceof ClientOfflineError) {
      return unavailable('not connected to Redis', error)
    }
    if (!(error instanceof ErrorReply)) return uncertain('the connection to Redis broke', error)
    const code = codeOfReply(error.message)
    if (!notActed.test(code)) return refused(`Redis: ${textOfReply(error.message)} (${command})`)
    if (misplaced.test(code)) queueMicrotask(() => this.#lose(code))
    return unavailable(`Redis: ${code} (${command})`)
  }
}

/** Without what the server replied, which may hold what it was sent. */
function messageOf(error: unknown): string {
  if (error instanceof ErrorReply) return textOfReply(error.message)
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}

function causeOf(error: unknown): unknown {
  return error instanceof ErrorReply ? undefined : error
}
