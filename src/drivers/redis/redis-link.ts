import { backoff } from '../../core/backoff.ts'
import type { BusEvents, ClusterOptions } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import { type RedisArgument, RedisConnection } from './redis-connection.ts'
import { findLayout, type RedisLayout, sameLayout } from './redis-layout.ts'
import type { RedisPlace } from './redis-options.ts'
import { type RedisScript, scripts } from './redis-scripts.ts'
import { slotOfTag, tagOf } from './redis-slots.ts'
import { RedisSubscriptions, type Subscriber } from './redis-subscriptions.ts'

/** Between two looks at whether masters and slots are where they were. */
const lookEvery = 5_000

/** Connections to every master, one for requests and, with a bus, one for subscriptions. All stand, or none is used. */
interface Circuit {
  readonly layout: RedisLayout
  readonly commands: RedisConnection[]
  readonly subscribers: RedisConnection[]
  lost: string | null
}

/**
 * What the parts of one node share: the way to Redis. When any connection is lost, all are made anew, so that there
 * are two states only: everything is in force, or the link is down.
 */
export class RedisLink {
  readonly subscriptions = new RedisSubscriptions()
  readonly #place: RedisPlace
  readonly #options: ClusterOptions
  readonly #users = new Set<object>()
  readonly #waiting = new Set<{ up: () => void; closed: () => void }>()
  #events: BusEvents | null = null
  /** Whether the bus has been told that it stands, or that it does not: from then on it is told what changes. */
  #announced: 'nothing' | 'up' | 'down' = 'nothing'
  #circuit: Circuit | null = null
  #connecting = false
  #attempt = 0
  /** Why the last attempt to connect failed. */
  #failure = ''
  #timer: NodeJS.Timeout | null = null

  constructor(place: RedisPlace, options: ClusterOptions) {
    this.#place = place
    this.#options = options
  }

  get sharded(): boolean {
    return this.#place.kind === 'cluster'
  }

  /** A key or channel at the server that has everything of `name`. */
  keyOf(kind: 'c' | 'h' | 'm', name: string): string {
    return `${tagOf(this.#options.namespace, name)}${kind}:${name}`
  }

  /** Of the lease table. */
  get leaseKey(): string {
    return `{${this.#options.namespace}}nodes`
  }

  /** Connects for one more part; the bus gives its `events`. Rejects after `patience`, and goes on trying then. */
  open(user: object, patience: number, events: BusEvents | null = null): Promise<void> {
    this.#users.add(user)
    if (events !== null) {
      this.#events = events
      // One that was made without a bus has no subscribers.
      if (this.#circuit !== null) this.#lose(this.#circuit, 'the bus begins')
    }
    void this.#connect()
    if (this.#circuit !== null) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        const why = `not connected within ${patience} ms${this.#failure === '' ? '' : `: ${this.#failure}`}`
        if (events !== null) this.#announce('down', why)
        reject(unavailable(`Redis cannot be reached: ${why}`))
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

  /** Ends with the last part that used it. */
  close(user: object): void {
    this.#users.delete(user)
    if (this.#users.size > 0) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#circuit !== null) closeAll(this.#circuit)
    this.#circuit = null
    for (const waiter of this.#waiting) waiter.closed()
    this.#waiting.clear()
  }

  /** The bus is closed: it is told nothing any more. */
  silence(): void {
    this.#events = null
  }

  reconnect(reason: string): void {
    if (this.#circuit !== null) this.#lose(this.#circuit, reason)
  }

  /** @param tagged a key or channel that begins with a hash tag */
  async request<T>(tagged: string, args: readonly RedisArgument[], size = 0): Promise<T> {
    return this.#at(tagged).request<T>(args, size)
  }

  /** Runs a script, which is told the run id of the server as its first argument when `runId` is set. */
  async run<T>(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    { runId = false, size = 0 } = {},
  ): Promise<T> {
    const connection = this.#at(keys[0] as string)
    const first = runId ? [connection.runId] : []
    return connection.request<T>(['EVALSHA', script.sha, `${keys.length}`, ...keys, ...first, ...args], size)
  }

  #at(tagged: string): RedisConnection {
    const circuit = this.#circuit
    if (circuit === null) throw unavailable('not connected to Redis')
    return circuit.commands[indexOf(circuit.layout, tagged)] as RedisConnection
  }

  async #connect(): Promise<void> {
    if (this.#connecting || this.#circuit !== null) return
    this.#connecting = true
    while (this.#users.size > 0 && this.#circuit === null) {
      const circuit = await this.#build().catch((error: unknown) => {
        this.#failure = error instanceof Error ? error.message : String(error)
        if (this.#attempt === 0) this.#options.log.warn({ reason: this.#failure }, 'Redis cannot be reached')
        return null
      })
      if (circuit !== null && this.#users.size === 0) closeAll(circuit)
      else if (circuit !== null) this.#stand(circuit)
      else {
        const wait = backoff(this.#attempt++, 50, this.#options.lease.beat, Math.random())
        await new Promise<void>((resolve) => setTimeout(resolve, wait))
      }
    }
    this.#connecting = false
  }

  async #build(): Promise<Circuit> {
    const withBus = this.#events !== null
    const layout = await findLayout(this.#place)
    const circuit: Circuit = { layout, commands: [], subscribers: [], lost: null }
    const open = (address: RedisLayout['masters'][number]) =>
      RedisConnection.open(this.#place, address, (reason) => this.#lose(circuit, reason))
    try {
      for (const address of layout.masters) {
        const connection = await open(address)
        circuit.commands.push(connection)
        await this.#prepare(connection)
        if (withBus) circuit.subscribers.push(await open(address))
      }
      if (withBus) await this.subscriptions.attach(this.#subscriber(circuit))
      if (withBus !== (this.#events !== null)) throw unavailable('the bus began or ended meanwhile')
      if (circuit.lost !== null) throw unavailable(circuit.lost)
      return circuit
    } catch (error) {
      closeAll(circuit)
      throw error
    }
  }

  /** Scripts are loaded before, not when one is missing: what is repeated then would come behind what was later. */
  async #prepare(connection: RedisConnection): Promise<void> {
    for (const { source } of scripts) await connection.request(['SCRIPT', 'LOAD', source])
    if (this.#place.kind !== 'sentinel') return
    const [role] = await connection.request<[Buffer]>(['ROLE'])
    if (String(role) !== 'master') throw unavailable('the server that the sentinel names is no master yet')
  }

  #stand(circuit: Circuit): void {
    this.#circuit = circuit
    if (this.#attempt > 0) this.#options.log.info({ event: 'redis.up' }, 'Redis is reached')
    this.#attempt = 0
    if (this.#events !== null) this.#announce('up', '')
    for (const waiter of this.#waiting) waiter.up()
    this.#waiting.clear()
    if (this.#place.kind !== 'server') this.#watchLayout(circuit)
  }

  #lose(circuit: Circuit, reason: string): void {
    circuit.lost ??= reason
    if (this.#circuit !== circuit) return
    this.#circuit = null
    closeAll(circuit)
    this.subscriptions.detach()
    this.#options.log.warn({ reason }, 'the connection to Redis is lost')
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

  #subscriber({ layout, subscribers }: Circuit): Subscriber {
    const { namespace } = this.#options
    const prefix = this.keyOf('c', '').length
    const heard = (payload: Buffer, name: Buffer) => {
      const channel = name.toString('utf8', prefix)
      if (this.subscriptions.wants(channel)) this.#events?.message(channel, payload)
    }
    const at = (channels: string[]) =>
      subscribers[indexOf(layout, tagOf(namespace, channels[0] as string))] as RedisConnection
    const named = (channels: string[]) => channels.map((channel) => this.keyOf('c', channel))
    return {
      group: (channel) => (this.sharded ? tagOf(namespace, channel) : ''),
      subscribe: (channels) => at(channels).subscribe(named(channels), this.sharded, heard),
      unsubscribe: (channels) => at(channels).unsubscribe(named(channels), this.sharded),
    }
  }

  /** A slot that moved, or a master that was replaced, while the old one goes on as if nothing were. */
  #watchLayout(circuit: Circuit): void {
    this.#timer = setTimeout(async () => {
      const layout = await findLayout(this.#place).catch(() => null)
      if (this.#circuit !== circuit) return
      if (layout !== null && !sameLayout(layout, circuit.layout))
        this.#lose(circuit, 'masters or slots have moved')
      else this.#watchLayout(circuit)
    }, lookEvery)
    this.#timer.unref()
  }
}

function indexOf({ slots }: RedisLayout, tagged: string): number {
  return slots === null ? 0 : (slots[slotOfTag(tagged)] as number)
}

function closeAll({ commands, subscribers }: Circuit): void {
  for (const connection of [...commands, ...subscribers]) connection.close()
}
