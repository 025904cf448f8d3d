import { Emitter } from '../../core/emitter.ts'
import type { Clock } from '../clock.ts'
import type {
  BusEvents,
  Cluster,
  HistoryLimits,
  NodeFacts,
  NodeRecord,
  Position,
  RegistryEvents,
} from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { historyMark, readHistoryEnvelope } from '../history-envelope.ts'
import type { Address, ClusterHalf, LocalHub, Order, Recovery, Relayed } from '../local.ts'
import {
  channelOf,
  everybody,
  isAddress,
  nodeChannel,
  ownerOf,
  roomChannel,
  roomOf,
  userChannel,
} from './channels.ts'
import type { ClusterEvents, ClusterStats } from './cluster-events.ts'
import { decode, type Envelope, type NodeMessage, type Sender } from './envelope.ts'
import { HistoryRooms } from './history-rooms.ts'
import { Interest } from './interest.ts'
import { Introductions } from './introductions.ts'
import { Members } from './members.ts'
import { type NodeListener, NodeListeners } from './node-listeners.ts'
import { OwnStanding } from './own-standing.ts'
import { Presence } from './presence.ts'
import { Probe } from './probe.ts'
import { Questions } from './questions.ts'
import { registryListener } from './registry-listener.ts'
import { Relay, relayed } from './relay.ts'
import { settledWithin } from './settled-within.ts'

/** How long the broker has for the last words of a node that closes. */
const closeWithin = 2_000

export interface ClusterNodeOptions {
  readonly cluster: Cluster
  readonly local: LocalHub
  readonly clock: Clock
  /** From 0 to below 1, for what is tried again. @default Math.random */
  readonly random?: () => number
  /** What this node says of itself. The id stays the same. */
  readonly facts: () => NodeFacts
  /** Whether a room has presence. */
  readonly hasPresence: (room: string) => boolean
  /** What a room keeps; null for one without history. */
  readonly history: (room: string) => HistoryLimits | null
  /** Whether there never are other nodes: then nothing is relayed, subscribed to or probed. @default false */
  readonly alone?: boolean
  /** Rooms whose presence is told here also while nobody of this node is in them. @default none */
  readonly watched?: readonly string[]
  /** Gets what a listener throws. */
  readonly failed: (error: unknown) => void
  /** Milliseconds. */
  readonly presenceGrace: number
  readonly questionTimeout: number
  readonly probeEvery: number
  /** Messages that are sent to one who comes back into a room with history, at most. */
  readonly maxRecovered: number
}

/**
 * The cluster half of a hub: what makes it act as one with others. It knows rooms and users by name only, and carries
 * out on its local half what other nodes order.
 */
export class ClusterNode implements ClusterHalf {
  readonly events: Emitter<ClusterEvents>
  readonly questions: Questions
  readonly #options: ClusterNodeOptions
  readonly #id: string
  readonly #alone: boolean
  readonly #members: Members
  readonly #interest: Interest
  readonly #relay: Relay
  readonly #presence: Presence
  readonly #history: HistoryRooms | null
  readonly #probe: Probe
  readonly #introductions: Introductions
  readonly #listeners: NodeListeners
  readonly #standing: OwnStanding
  #session = 0
  #wasReady = false
  #heard = 0
  #refused = 0
  #closed = false

  constructor(options: ClusterNodeOptions) {
    const { cluster, clock, facts } = options
    this.#options = options
    this.#id = facts().id
    this.#alone = options.alone === true
    this.events = new Emitter(options.failed)
    this.#listeners = new NodeListeners(options.failed)
    this.#standing = new OwnStanding({
      introduce: (incarnation) =>
        this.#alone ? Promise.resolve() : this.#introductions.introduce(incarnation),
      changed: () => this.#checkReady(),
    })
    const sender = (): Sender => {
      return { id: this.#id, incarnation: this.#standing.incarnation, session: this.#session }
    }
    this.#members = new Members(this.#id)
    this.#interest = new Interest(cluster.bus, clock, 1_000)
    this.#relay = new Relay(cluster.bus, clock, sender, () => (this.#alone ? 'held' : this.#standing.lease))
    const shared = {
      clock,
      members: this.#members,
      interest: this.#interest,
      timeout: options.questionTimeout,
      say: (channel: string, message: NodeMessage) => this.#relay.say(channel, message),
    }
    this.questions = new Questions({ ...shared, self: this.#id })
    this.#presence = new Presence({
      ...shared,
      random: options.random ?? Math.random,
      grace: options.presenceGrace,
      digestAfter: 10_000,
      joined: (room, user) => this.events.emit('presence.joined', { room, user }),
      left: (room, user) => this.events.emit('presence.left', { room, user }),
    })
    this.#probe = new Probe({
      clock,
      every: options.probeEvery,
      say: (count) => this.#relay.saySelf(nodeChannel(this.#id), { kind: 'probe', count }),
      deaf: () => {
        this.events.emit('node.deafened', {})
        cluster.bus.reconnect('nothing that it publishes to itself arrives')
      },
      changed: () => this.#checkReady(),
    })
    this.#introductions = new Introductions({
      clock,
      members: this.#members,
      ask: (incarnation) => this.#ask(incarnation),
      refresh: () => cluster.registry.refresh(),
    })
    this.questions.answer(
      '#hello',
      (incarnation, from) => from === this.#id || this.#introductions.meet(from, Number(incarnation)),
    )
    this.#history = this.#historyRooms(sender)
    this.questions.answer('#count', (to) => (isAddress(to) ? options.local.count(to) : 0))
  }

  /**
   * Resolves when the node is connected, holds its lease and is known to the others, to whether it was connected and
   * held it within `patience` ms: when not, it goes on trying, and serves its own connections meanwhile.
   */
  async start(patience: number): Promise<boolean> {
    const { bus, registry, history } = this.#options.cluster
    this.#want(nodeChannel(this.#id))
    this.#want(everybody)
    for (const room of this.#options.watched ?? []) this.#presence.watch(room)
    const started = await Promise.allSettled([
      bus.start(this.#busEvents(), patience).then(() => this.#setBus(true)),
      registry.start(this.#options.facts, this.#registryEvents(), patience).then((self) => this.#hold(self)),
      history?.start(patience),
    ])
    await this.#standing.introducing
    return started.every(({ status }) => status === 'fulfilled')
  }

  /** Whether this node hears what is published and is known to the others: what a balancer should ask. */
  ready(): boolean {
    return this.#standing.known && (this.#alone || this.#probe.hears)
  }

  /** Tells the others soon that `facts` have changed. */
  changed(): void {
    this.#options.cluster.registry.changed()
  }

  nodes(): readonly NodeRecord[] {
    return this.#options.cluster.registry.nodes()
  }

  stats(): ClusterStats {
    const { publishes, orders, degraded } = this.#relay.counts
    return {
      nodes: this.#members.size + 1,
      ready: this.ready(),
      channels: this.#interest.size,
      publishes,
      orders,
      degraded,
      heard: this.#heard,
      refused: this.#refused + (this.#history?.counts.refused ?? 0),
      presenceRooms: this.#presence.size,
      presenceResyncs: this.#presence.resyncs,
      historyRooms: this.#history?.size ?? 0,
      historyHealed: this.#history?.counts.healed ?? 0,
      historyGaps: this.#history?.counts.gaps ?? 0,
      lag: this.#probe.lag,
    }
  }

  // ------------------------------------------------------------------------------------- told by the local half

  roomOccupied(room: string): void {
    if (this.#hasHistory(room)) this.#history?.occupied(room)
    else this.#want(roomChannel(room))
  }

  roomEmptied(room: string): void {
    if (this.#hasHistory(room)) this.#history?.emptied(room)
    else this.#interest.drop(roomChannel(room))
  }

  userArrived(user: string): void {
    this.#want(userChannel(user))
  }

  userLeft(user: string): void {
    this.#interest.drop(userChannel(user))
  }

  present(room: string, user: string, devices: number): void {
    if (this.#options.hasPresence(room)) this.#presence.present(room, user, devices)
  }

  // ------------------------------------------------------------------------------------- asked by the local half

  relay(to: Address, order: Order): Promise<Relayed> | null {
    if (to.kind === 'room' && order.do === 'send' && this.#hasHistory(to.name)) {
      return this.#history?.send(to.name, order) ?? null
    }
    if (this.#alone) return null
    const channel = channelOf(to)
    if (to.kind === 'connection') {
      const owner = ownerOf(to.id)
      if (owner === this.#id) return null
      if (owner === null || this.#members.isGone(owner)) return Promise.resolve(relayed('gone'))
    }
    return channel === null ? null : this.#relay.order(channel, { to, order })
  }

  async recover(
    room: string,
    since: Position | null,
    admit: (recovery: Recovery) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#history === null || !this.#hasHistory(room)) {
      if (!signal.aborted) admit({ position: null, messages: [], complete: false })
      return
    }
    await this.#history.recover(room, since, admit, signal)
  }

  // --------------------------------------------------------------------------------------------------- for users

  /** Tells every other node; whoever is not there misses it. */
  emit(name: string, value: unknown): Promise<Relayed> {
    return this.#relay.say(everybody, { kind: 'event', name, value: JSON.stringify(value) ?? 'null' })
  }

  /** Listens to what other nodes `emit`, until the function that is returned is called. */
  on(name: string, listener: NodeListener): () => void {
    return this.#listeners.on(name, listener)
  }

  /**
   * What a room with history keeps after `since`, oldest first; without it, the last `limit` messages.
   * @throws FairleadError of source `cluster` when the broker is away
   */
  async read(room: string, since: Position | null, limit: number): Promise<Recovery> {
    if (this.#history === null || !this.#hasHistory(room))
      throw unavailable(`the room ${room} has no history`)
    return this.#history.read(room, since, limit)
  }

  /** Connections that an address stands for, node by node. */
  count(to: Address): ReturnType<Questions['ask']> {
    return this.questions.ask('#count', to)
  }

  /** Who is in rooms with presence. */
  get presence(): Pick<Presence, 'count' | 'list' | 'devices'> {
    return this.#presence
  }

  /** Says goodbye. Orders that were given before are sent first. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#relay.flush()
    this.#probe.close()
    this.questions.close()
    this.#introductions.close()
    this.#presence.close()
    this.#history?.close()
    this.#interest.close()
    const { clock, cluster } = this.#options
    const { bus, registry, history } = cluster
    await settledWithin(clock, closeWithin, registry.close())
    await settledWithin(clock, closeWithin, Promise.all([history?.close(), bus.close()]))
    this.#standing.lose()
  }

  #historyRooms(sender: () => Sender): HistoryRooms | null {
    const { cluster, clock, random, history, local, maxRecovered } = this.#options
    if (cluster.history === null) return null
    return new HistoryRooms({
      clock,
      random: random ?? Math.random,
      store: cluster.history,
      interest: this.#interest,
      local,
      sender,
      most: maxRecovered,
      limits(room) {
        const limits = history(room)
        if (limits === null) throw unavailable(`the room ${room} has no history`)
        return limits
      },
      gap: (gap) => this.events.emit('history.lost', gap),
    })
  }

  #want(channel: string): void {
    // It rejects only when the bus is closed.
    if (!this.#alone) void this.#interest.want(channel).catch(() => {})
  }

  #hasHistory(room: string): boolean {
    return this.#options.history(room) !== null
  }

  #busEvents(): BusEvents {
    return {
      message: (channel, payload) => this.#hear(channel, payload),
      down: (reason) => {
        this.events.emit('bus.down', { reason })
        this.#setBus(false)
      },
      up: () => {
        this.events.emit('bus.up', {})
        // What was begun before goes first: behind anything of the new session it would be refused.
        this.#relay.flush()
        this.#session += 1
        this.#setBus(true)
        this.#history?.up()
      },
    }
  }

  #setBus(up: boolean): void {
    if (this.#closed) return
    if (up) {
      if (!this.#alone) this.#probe.start()
      this.#presence.up()
    } else {
      this.#probe.down()
      this.#presence.down()
    }
    this.#standing.bus(up)
  }

  #registryEvents(): RegistryEvents {
    return registryListener({
      members: this.#members,
      introductions: this.#introductions,
      presence: this.#presence,
      questions: this.questions,
      standing: this.#standing,
      events: this.events,
      hold: (self) => this.#hold(self),
    })
  }

  #hold(self: NodeRecord): void {
    if (this.#closed) return
    this.#members.listed()
    this.#presence.listed()
    // What was begun before is of a life that the others refuse.
    this.#relay.flush()
    this.#standing.hold(self.incarnation)
  }

  /** Asks the others whether they know this life. */
  async #ask(incarnation: number): Promise<void> {
    // It rejects only when the bus is closed.
    await this.#interest.want(nodeChannel(this.#id)).catch(() => {})
    await this.questions.ask('#hello', incarnation)
  }

  #checkReady(): void {
    const ready = this.ready()
    if (ready === this.#wasReady) return
    this.#wasReady = ready
    this.events.emit('ready.changed', { ready })
  }

  #hear(channel: string, payload: Uint8Array): void {
    this.#heard += 1
    if (payload[0] === historyMark) {
      const room = roomOf(channel)
      if (room !== null && this.#hasHistory(room)) this.#history?.hear(room, payload)
      // A node that is configured in another way keeps this room: here its messages are as any others.
      else if (room !== null) this.#hearEnvelope(readHistoryEnvelope(payload)?.payload ?? payload)
      return
    }
    this.#hearEnvelope(payload)
  }

  #hearEnvelope(payload: Uint8Array): void {
    const envelope = decode(payload)
    if (envelope === null) this.#refused += 1
    else if (envelope.node === this.#id) this.#hearSelf(envelope)
    else if (this.#members.accepts(envelope)) {
      if (!this.#members.isLife(envelope.node, envelope.incarnation)) this.#hearStranger(envelope.node)
      this.#take(envelope)
    } else this.#refused += 1
  }

  #hearSelf({ message }: Envelope): void {
    if (message.kind === 'probe') this.#probe.heard(message.count)
  }

  /** It is new, and in the registry: a node speaks when it has its lease. */
  #hearStranger(node: string): void {
    this.#members.heard(node)
    this.#options.cluster.registry.refresh()
  }

  #take(envelope: Envelope): void {
    const { node, message } = envelope
    switch (message.kind) {
      case 'orders':
        this.#refused += message.unread ?? 0
        for (const { to, order } of message.orders) this.#options.local.apply(to, order)
        return
      case 'question':
        void this.questions.asked(node, message)
        return
      case 'answer':
        this.questions.answered(node, message)
        return
      case 'event':
        if (!this.#listeners.tell(message.name, message.value, node)) this.#refused += 1
        return
      case 'probe':
        return
      default:
        this.#presence.receive(envelope)
    }
  }
}
