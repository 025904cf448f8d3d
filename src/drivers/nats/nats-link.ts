import {
  type ConnectionOptions,
  connect,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node'
import { backoff } from '../../core/backoff.ts'
import type { BusEvents, ClusterOptions } from '../../hub/cluster.ts'
import { refused, unavailable, uncertain } from '../../hub/cluster-error.ts'
import { readHistoryEnvelope } from '../../hub/history-envelope.ts'

/** Bytes under way; more than that, and the broker is as good as away. */
const maxUnderWay = 64 * 1024 * 1024

/** One life of the connection. */
interface Line {
  readonly connection: NatsConnection
  readonly subscriptions: Map<string, Subscription>
  /** The next answer to a PING, for all that was said before it. */
  flushing: Promise<void> | null
  /** Of those who wait for one when the connection is lost. */
  readonly failing: Set<(error: Error) => void>
  lost: boolean
}

/** What the parts of one node share: a connection to NATS, made anew whenever it is lost. */
export class NatsLink {
  readonly #options: ConnectionOptions
  readonly #told: ClusterOptions
  readonly #users = new Set<object>()
  readonly #wanted = new Set<string>()
  readonly #waiting = new Set<{ up: () => void; closed: () => void }>()
  #events: BusEvents | null = null
  #announced: 'nothing' | 'up' | 'down' = 'nothing'
  #line: Line | null = null
  #connecting = false
  #attempt = 0
  #underWay = 0

  constructor(options: ConnectionOptions, told: ClusterOptions) {
    this.#options = options
    this.#told = told
  }

  /** Connects for one more part; the bus gives its `events`. Rejects after `patience`, and goes on trying then. */
  open(user: object, patience: number, events: BusEvents | null = null): Promise<void> {
    this.#users.add(user)
    this.#events ??= events
    void this.#connect()
    return this.#until(patience).catch((error: unknown) => {
      if (events !== null && this.#users.has(user)) this.#announce('down', 'not connected in time')
      throw error
    })
  }

  /** Ends with the last part that used it. */
  close(user: object): void {
    this.#users.delete(user)
    if (this.#users.size > 0) return
    const line = this.#line
    this.#line = null
    void line?.connection.close()
    for (const waiter of this.#waiting) waiter.closed()
    this.#waiting.clear()
  }

  /** The bus is closed: nothing is wanted or told any more. */
  silence(): void {
    this.#events = null
    for (const subscription of this.#line?.subscriptions.values() ?? []) subscription.unsubscribe()
    this.#line?.subscriptions.clear()
    this.#wanted.clear()
  }

  reconnect(reason: string): void {
    if (this.#line !== null) this.#lose(this.#line, reason)
  }

  /** The connection as it stands. @throws FairleadError CLUSTER_UNAVAILABLE */
  get connection(): NatsConnection {
    if (this.#line === null) throw unavailable('not connected to NATS')
    return this.#line.connection
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    const line = this.#line
    if (line === null) throw unavailable('not connected to NATS')
    const most = line.connection.info?.max_payload ?? 1024 * 1024
    if (payload.length > most) {
      throw refused(`a message of ${payload.length} bytes is larger than the ${most} that this NATS takes`)
    }
    if (this.#underWay + payload.length > maxUnderWay) throw unavailable('too much is under way to NATS')
    this.#underWay += payload.length
    try {
      line.connection.publish(this.subjectOf(channel), payload)
      await this.#flush(line)
    } catch (error) {
      throw uncertain('the connection to NATS broke', error)
    } finally {
      this.#underWay -= payload.length
    }
  }

  async subscribe(channel: string): Promise<void> {
    this.#wanted.add(channel)
    for (;;) {
      const line = this.#line
      if (line === null) await this.#until(null)
      else {
        this.#listen(line, channel)
        const inForce = await this.#flush(line).then(
          () => true,
          () => false,
        )
        if (inForce || !this.#wanted.has(channel)) return
      }
    }
  }

  unsubscribe(channel: string): void {
    this.#wanted.delete(channel)
    this.#line?.subscriptions.get(channel)?.unsubscribe()
    this.#line?.subscriptions.delete(channel)
  }

  /** Subjects have no spaces and give `.`, `*` and `>` a meaning, so everything unusual is escaped, byte by byte. */
  subjectOf(channel: string): string {
    const escaped = encodeURIComponent(channel.toWellFormed()).replace(/[.*!'()~]/g, hex)
    return `${this.#told.namespace}.c.${escaped}`
  }

  #listen(line: Line, channel: string): void {
    if (line.subscriptions.has(channel)) return
    const subscription = line.connection.subscribe(this.subjectOf(channel), {
      callback: (error, message) => {
        // One that is not permitted is told to the connection as well, which is closed by it.
        if (error !== null) this.#told.log.warn({ reason: error.message }, 'a subscription at NATS failed')
        else if (line !== this.#line || !this.#wanted.has(channel) || isBeginning(message)) return
        else this.#events?.message(channel, message.data)
      },
    })
    line.subscriptions.set(channel, subscription)
  }

  /** Resolves when the server has taken what was said so far. What is said in one tick shares the answer. */
  #flush(line: Line): Promise<void> {
    line.flushing ??= new Promise<void>((resolve, reject) => {
      line.failing.add(reject)
      setImmediate(() => {
        line.flushing = null
        line.connection
          .flush()
          // Of a connection that is closed meanwhile it resolves as well.
          .then(() => (this.#isLost(line) ? reject(new Error('closed')) : resolve()), reject)
          .finally(() => line.failing.delete(reject))
      })
    })
    return line.flushing
  }

  #isLost(line: Line): boolean {
    return line.lost || line.connection.isClosed()
  }

  /** Until the link is up, or `patience` is over. */
  #until(patience: number | null): Promise<void> {
    if (this.#line !== null) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer =
        patience === null
          ? undefined
          : setTimeout(() => {
              this.#waiting.delete(waiter)
              reject(unavailable(`NATS cannot be reached: not connected within ${patience} ms`))
            }, patience)
      const waiter = {
        up: () => {
          clearTimeout(timer)
          resolve()
        },
        closed: () => {
          clearTimeout(timer)
          reject(unavailable('closed'))
        },
      }
      this.#waiting.add(waiter)
    })
  }

  async #connect(): Promise<void> {
    if (this.#connecting || this.#line !== null) return
    this.#connecting = true
    while (this.#users.size > 0 && this.#line === null) {
      try {
        await this.#establish()
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        if (this.#attempt === 0) this.#told.log.warn({ reason }, 'NATS cannot be reached')
        const wait = backoff(this.#attempt++, 50, this.#told.lease.beat, Math.random())
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
    }
    this.#connecting = false
  }

  async #establish(): Promise<void> {
    const connection = await connect(this.#options)
    const line: Line = {
      connection,
      subscriptions: new Map(),
      flushing: null,
      failing: new Set(),
      lost: false,
    }
    void connection.closed().then((error) => {
      const reason = error?.message ?? 'the connection was closed'
      for (const fail of line.failing) fail(new Error(reason))
      this.#lose(line, reason)
    })
    try {
      for (const channel of this.#wanted) this.#listen(line, channel)
      await this.#flush(line)
      // Channels that were asked for meanwhile.
      for (const channel of this.#wanted) this.#listen(line, channel)
      await this.#flush(line)
    } catch (error) {
      void connection.close()
      throw error
    }
    if (connection.isClosed()) throw unavailable('the connection to NATS was closed at once')
    if (this.#users.size === 0) {
      void connection.close()
      return
    }
    for (const [channel, subscription] of line.subscriptions) {
      if (this.#wanted.has(channel)) continue
      subscription.unsubscribe()
      line.subscriptions.delete(channel)
    }
    this.#line = line
    this.#attempt = 0
    if (this.#events !== null) this.#announce('up', '')
    for (const waiter of this.#waiting) waiter.up()
    this.#waiting.clear()
  }

  #lose(line: Line, reason: string): void {
    line.lost = true
    if (this.#line !== line) return
    this.#line = null
    for (const fail of line.failing) fail(new Error(reason))
    void line.connection.close()
    this.#told.log.warn({ reason }, 'the connection to NATS is lost')
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
      if (state === 'up') this.#events?.up()
      else this.#events?.down(reason)
    })
  }
}

/** What was stored only to give a room its epoch (nats-history.ts); the header says that the stream published it. */
function isBeginning({ headers, data }: Msg): boolean {
  return headers?.has('Nats-Sequence') === true && readHistoryEnvelope(data) === null
}

function hex(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
