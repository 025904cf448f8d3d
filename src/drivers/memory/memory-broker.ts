import { type Clock, systemClock } from '../../hub/clock.ts'
import type { Bus, Cluster, ClusterDriver, ClusterOptions } from '../../hub/cluster.ts'
import { LeaseRegistry } from '../../hub/leases/lease-registry.ts'
import { StoredLeases } from '../../hub/leases/stored-leases.ts'
import { MemoryBus } from './memory-bus.ts'
import { MemoryHistory } from './memory-history.ts'
import { MemoryLeases } from './memory-leases.ts'
import { MemoryLink } from './memory-link.ts'
import { MemoryStore } from './memory-store.ts'

/** After so long without an answer a link is down. */
const stalledAfter = 3_000

interface Namespace {
  readonly store: MemoryStore
  readonly subscribers: Map<string, Set<MemoryLink>>
}

/**
 * A broker in this process: what hubs that are made from one `driver` share. It can be stopped, paused, and kept from
 * single nodes, so that tests see what a hub does then.
 */
export class MemoryBroker {
  readonly driver: ClusterDriver
  readonly #clock: Clock
  readonly #random: () => number
  readonly #namespaces = new Map<string, Namespace>()
  /** Those in use. */
  readonly #links = new Set<MemoryLink>()
  readonly #linkByBus = new WeakMap<Bus, MemoryLink>()
  #state: 'running' | 'paused' | 'stopped' = 'running'
  /** What was sent to a paused broker: it answers when it goes on. */
  #held: (() => void)[] = []

  /** @param random from 0 to below 1, for the times between attempts */
  constructor(clock: Clock = systemClock, random: () => number = Math.random) {
    this.#clock = clock
    this.#random = random
    this.driver = { name: 'memory', connect: (options) => this.#connect(options) }
  }

  /** Everybody loses the connection. Nothing is forgotten. */
  stop(): void {
    this.#state = 'stopped'
    this.#held = []
    for (const link of this.#links) link.lose('the broker has stopped')
  }

  /** Takes connections again. */
  start(): void {
    this.#state = 'running'
  }

  /** Forgets leases and histories, as a store without persistence does at its restart. */
  forget(): void {
    for (const [name, { subscribers }] of this.#namespaces) {
      this.#namespaces.set(name, { store: new MemoryStore(this.#clock), subscribers })
    }
  }

  /** Takes what is sent, and does nothing with it until `resume`. */
  pause(): void {
    this.#state = 'paused'
    for (const link of this.#links) {
      this.#clock.after(stalledAfter, () => {
        if (this.#state === 'paused') link.lose(`no answer for ${stalledAfter} ms`)
      })
    }
  }

  resume(): void {
    this.#state = 'running'
    const held = this.#held
    this.#held = []
    for (const work of held) work()
  }

  /** Keeps one node away, until `heal`. */
  cut(cluster: Cluster): void {
    this.#linkOf(cluster).cut()
  }

  heal(cluster: Cluster): void {
    this.#linkOf(cluster).heal()
  }

  /** Drops a subscriber that is too slow, as a real broker does: it connects again at once. */
  kick(cluster: Cluster): void {
    this.#linkOf(cluster).lose('too slow')
  }

  #linkOf(cluster: Cluster): MemoryLink {
    const link = this.#linkByBus.get(cluster.bus)
    if (link === undefined) throw new Error('not a cluster of this broker')
    return link
  }

  #connect(options: ClusterOptions): Cluster {
    if (!this.#namespaces.has(options.namespace)) {
      this.#namespaces.set(options.namespace, { store: new MemoryStore(this.#clock), subscribers: new Map() })
    }
    const link = new MemoryLink(this.#clock, this.#random, options.lease.beat, {
      reachable: () => this.#state === 'running',
      /** What a paused broker is sent waits for it. */
      run: (work) => {
        if (this.#state === 'paused') this.#held.push(work)
        else work()
      },
      store: () => this.#namespace(options).store,
      publish: (channel, payload) => {
        for (const other of this.#namespace(options).subscribers.get(channel) ?? [])
          other.hear(channel, payload)
      },
      listen: (channel) => this.#listen(options, channel, link),
      ignore: (channel) => this.#ignore(options, channel, link),
      opened: () => this.#links.add(link),
      gone: () => this.#links.delete(link),
    })
    const bus = new MemoryBus(link)
    this.#linkByBus.set(bus, link)
    const leases = new StoredLeases(new MemoryLeases(link))
    const registry = new LeaseRegistry(leases, options.lease, this.#clock, options.log)
    return { bus, registry, history: new MemoryHistory(link) }
  }

  #namespace(options: ClusterOptions): Namespace {
    return this.#namespaces.get(options.namespace) as Namespace
  }

  #listen(options: ClusterOptions, channel: string, link: MemoryLink): void {
    const { subscribers } = this.#namespace(options)
    const those = subscribers.get(channel)
    if (those === undefined) subscribers.set(channel, new Set([link]))
    else those.add(link)
  }

  #ignore(options: ClusterOptions, channel: string, link: MemoryLink): void {
    const { subscribers } = this.#namespace(options)
    const those = subscribers.get(channel)
    those?.delete(link)
    if (those?.size === 0) subscribers.delete(channel)
  }
}
