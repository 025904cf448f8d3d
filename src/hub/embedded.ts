import type {
  Bus,
  BusEvents,
  Cluster,
  HistoryLimits,
  HistorySlice,
  HistoryStore,
  NodeFacts,
  NodeRecord,
  Position,
  Registry,
  RegistryEvents,
} from './cluster.ts'
import { unavailable } from './cluster-error.ts'
import { historyEnvelope } from './history-envelope.ts'
import { HistoryLog } from './history-log.ts'

/**
 * The cluster of a hub that is alone: a bus that leads back to itself, a lease that nobody contests, histories in
 * memory. Has no timer and no I/O.
 */
export function embeddedCluster(): Cluster {
  const bus = new LoopBus()
  return { bus, registry: new OwnLease(), history: new OwnHistory(bus) }
}

class LoopBus implements Bus {
  readonly #channels = new Set<string>()
  #events: BusEvents | null = null

  async start(events: BusEvents): Promise<void> {
    this.#events = events
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    if (!this.#channels.has(channel)) return
    // Never from inside a method.
    queueMicrotask(() => this.#events?.message(channel, payload))
  }

  async subscribe(channel: string): Promise<void> {
    this.#channels.add(channel)
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel)
  }

  /** There is no connection that could be a bad one. */
  reconnect(): void {}

  async close(): Promise<void> {
    this.#events = null
    this.#channels.clear()
  }
}

class OwnLease implements Registry {
  #facts: (() => NodeFacts) | null = null

  async start(facts: () => NodeFacts, _events: RegistryEvents): Promise<NodeRecord> {
    this.#facts = facts
    return { ...facts(), incarnation: 1 }
  }

  changed(): void {}

  refresh(): void {}

  nodes(): readonly NodeRecord[] {
    return this.#facts === null ? [] : [{ ...this.#facts(), incarnation: 1 }]
  }

  async close(): Promise<void> {
    this.#facts = null
  }
}

class OwnHistory implements HistoryStore {
  readonly #bus: Bus
  readonly #log = new HistoryLog(() => performance.now())
  #closed = false

  constructor(bus: Bus) {
    this.#bus = bus
  }

  async start(): Promise<void> {}

  async append(channel: string, payload: Uint8Array, limits: HistoryLimits): Promise<Position> {
    if (this.#closed) throw unavailable('closed')
    const copy = payload.slice()
    const position = this.#log.append(channel, copy, limits)
    void this.#bus.publish(channel, historyEnvelope(position, copy))
    return position
  }

  async read(channel: string, since: Position | null, limit: number): Promise<HistorySlice> {
    if (this.#closed) throw unavailable('closed')
    return this.#log.read(channel, since, limit)
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}
