import { backoff } from '../../core/backoff.ts'
import type { BusEvents, ClusterOptions } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import { NatsConnection } from './nats-connection.ts'
import type { NatsPlace } from './nats-options.ts'

/** The bus, as its link sees it. */
export interface LinkedBus {
  readonly events: BusEvents
  /** Puts every subscription in force at a new connection, before it is used. */
  attach(connection: NatsConnection): Promise<void>
  /** The connection is in use: `attach` was the last that was asked for. */
  stand(connection: NatsConnection): void
  detach(): void
}

interface Waiter {
  up(): void
  closed(): void
}

/** What the parts of one node share: one connection to NATS, made anew when it is lost. */
export class NatsLink {
  readonly place: NatsPlace
  readonly options: ClusterOptions
  readonly #users = new Set<object>()
  readonly #waiting = new Set<Waiter>()
  #bus: LinkedBus | null = null
  /** Whether the bus has been told that it stands, or that it does not: from then on it is told what changes. */
  #announced: 'nothing' | 'up' | 'down' = 'nothing'
  #connection: NatsConnection | null = null
  #connecting = false
  #attempt = 0
  /** Why the last attempt to connect failed. */
  #failure = ''

  constructor(place: NatsPlace, options: ClusterOptions) {
    this.place = place
    this.options = options
  }

  /** @throws FairleadError CLUSTER_UNAVAILABLE */
  get connection(): NatsConnection {
    if (this.#connection === null) throw unavailable('not connected to NATS')
    return this.#connection
  }

  get up(): boolean {
    return this.#connection !== null
  }

  /** Connects for one more part. Rejects after `patience`, and goes on trying then. */
  open(user: object, patience: number, bus: LinkedBus | null = null): Promise<void> {
    this.#users.add(user)
    if (bus !== null) {
      this.#bus = bus
      // One that was made without a bus has no subscriptions.
      this.reconnect('the bus begins')
    }
    void this.#connect()
    if (this.#connection !== null) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        const why = `not connected within ${patience} ms${this.#failure === '' ? '' : `: ${this.#failure}`}`
        if (bus !== null) this.#announce('down', why)
        reject(unavailable(`NATS cannot be reached: ${why}`))
      }, patience)
      const waiter: Waiter = {
        up() {
          clearTimeout(timer)
          resolve()
        },
        closed() {
          clearTimeout(timer)
          reject(unavailable('closed'))
        },
      }
      this.#waiting.add(waiter)
    })
  }

  /** Ends with the last part that used it. */
  close(user: object): void {
    this.#users.delete(user)
    if (this.#users.size > 0) return
    this.#connection?.close()
    this.#connection = null
    for (const waiter of this.#waiting) waiter.closed()
    this.#waiting.clear()
  }

  /** The bus is closed: it is told nothing any more. */
  silence(): void {
    this.#bus = null
  }

  reconnect(reason: string): void {
    if (this.#connection !== null) this.#lose(this.#connection, reason)
  }

  async #connect(): Promise<void> {
    if (this.#connecting || this.#connection !== null) return
    this.#connecting = true
    while (this.#users.size > 0 && this.#connection === null) {
      const connection = await this.#build().catch((error: unknown) => {
        this.#failure = error instanceof Error ? error.message : String(error)
        if (this.#attempt === 0) this.options.log.warn({ reason: this.#failure }, 'NATS cannot be reached')
        return null
      })
      if (connection !== null && this.#users.size === 0) connection.close()
      else if (connection !== null) this.#stand(connection)
      else {
        const wait = backoff(this.#attempt++, 50, this.options.lease.beat, Math.random())
        await new Promise<void>((resolve) => setTimeout(resolve, wait))
      }
    }
    this.#connecting = false
  }

  async #build(): Promise<NatsConnection> {
    const bus = this.#bus
    let lost: string | null = null
    const connection: NatsConnection = await NatsConnection.open(this.place, (reason) => {
      lost = reason
      this.#lose(connection, reason)
    })
    try {
      await bus?.attach(connection)
      if (bus !== this.#bus) throw unavailable('the bus began or ended meanwhile')
      if (lost !== null) throw unavailable(lost)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  #stand(connection: NatsConnection): void {
    this.#connection = connection
    if (this.#attempt > 0) this.options.log.info({ event: 'nats.up' }, 'NATS is reached')
    this.#attempt = 0
    this.#bus?.stand(connection)
    if (this.#bus !== null) this.#announce('up', '')
    for (const waiter of this.#waiting) waiter.up()
    this.#waiting.clear()
  }

  #lose(connection: NatsConnection, reason: string): void {
    if (this.#connection !== connection) return
    this.#connection = null
    connection.close()
    this.#bus?.detach()
    this.options.log.warn({ reason }, 'the connection to NATS is lost')
    if (this.#announced !== 'nothing') this.#announce('down', reason)
    void this.#connect()
  }

  /** Never from inside a method of the bus. */
  #announce(state: 'up' | 'down', reason: string): void {
    const before = this.#announced
    if (before === state) return
    this.#announced = state
    // The first connection is told by `start`.
    if (before === 'nothing' && state === 'up') return
    queueMicrotask(() => {
      if (state === 'up') this.#bus?.events.up()
      else this.#bus?.events.down(reason)
    })
  }
}
