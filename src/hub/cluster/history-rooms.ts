import type { Clock } from '../clock.ts'
import type { HistoryLimits, HistorySlice, HistoryStore, Position } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { readHistoryEnvelope } from '../history-envelope.ts'
import type { Address, LocalHub, Order, RecoveredMessage, Recovery, Relayed } from '../local.ts'
import { roomChannel } from './channels.ts'
import { type Directed, decode, encode, type Sender } from './envelope.ts'
import { Feed, type FeedRecovery, type Gap } from './feed.ts'
import type { Interest } from './interest.ts'
import { statusOf } from './relay.ts'
import { Turns } from './turns.ts'

/** What may be under way to the broker; more than that, and the broker is as good as away. */
const maxUnderWay = 16 * 1024 * 1024
/** What each message counts besides its size. */
const overhead = 64
/** Reads under way at once: after an outage every room wants one. */
const maxReads = 16
/** A room in which nothing was heard from one look to the next is compared with the history. */
const verifyEvery = 30_000
/** The rooms are looked at in turn, so that who comes back does not stand behind a read for each. */
const verifyStep = 1_000

export interface HistoryRoomsContext {
  readonly clock: Clock
  /** From 0 to below 1. */
  readonly random: () => number
  readonly store: HistoryStore
  readonly interest: Interest
  readonly local: Pick<LocalHub, 'apply'>
  readonly sender: () => Sender
  /** Messages that are sent to one who comes back, at most. */
  readonly most: number
  limits(room: string): HistoryLimits
  gap(gap: Gap): void
}

interface Room {
  readonly feed: Feed
  /** Nobody waits any more until the channel is heard. */
  readonly deafen: () => void
}

const nothing: Recovery = { position: null, messages: [], complete: false }

/** Rooms with history: one feed for each that has members here, or has somebody coming in. */
export class HistoryRooms {
  readonly #context: HistoryRoomsContext
  readonly #rooms = new Map<string, Room>()
  readonly #occupied = new Set<string>()
  readonly #reads = new Turns(maxReads)
  #underWay = 0
  #cancel: (() => void) | null = null
  /** Rooms that are to be looked at in the steps that are left. */
  #unverified: Room[] = []
  #stepsLeft = 0
  #closed = false
  /** Messages that were read instead of heard, gaps, messages that nobody here understands. */
  readonly counts = { healed: 0, gaps: 0, refused: 0 }

  constructor(context: HistoryRoomsContext) {
    this.#context = context
  }

  get size(): number {
    return this.#rooms.size
  }

  /** Reads that wait for their turn. */
  get waiting(): number {
    return this.#reads.waiting
  }

  occupied(room: string): void {
    if (this.#closed) return
    this.#occupied.add(room)
    this.#feed(room)
  }

  emptied(room: string): void {
    this.#occupied.delete(room)
    this.#release(room)
  }

  /**
   * Appends, and delivers here in its place. What cannot be kept is delivered here alone, without a place, at once: also
   * when it is too much for the broker, and then ahead of those that are under way.
   */
  async send(room: string, order: Extract<Order, { do: 'send' }>): Promise<Relayed> {
    const to: Address = { kind: 'room', name: room }
    const bytes = encode(this.#context.sender(), { kind: 'orders', orders: [{ to, order }] })
    try {
      const position = await this.#append(room, bytes)
      this.#rooms.get(room)?.feed.appended(position, bytes)
      return { status: 'relayed', position }
    } catch (error) {
      const status = statusOf(error)
      // One that may have been taken is found in the history; delivering it here as well would be twice.
      if (status !== 'uncertain') this.#context.local.apply(to, order)
      return { status, position: null }
    }
  }

  /** What was heard on the channel of a room with history. */
  hear(room: string, bytes: Uint8Array): void {
    const placed = readHistoryEnvelope(bytes)
    if (placed !== null) this.#rooms.get(room)?.feed.receive(placed.position, placed.payload)
  }

  /** As `ClusterHalf.recover`. */
  async recover(
    room: string,
    since: Position | null,
    admit: (recovery: Recovery) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return
    if (this.#closed) return admit(nothing)
    const feed = this.#feed(room)
    try {
      await feed.recover(since, this.#context.most, (found) => admit(this.#told(found)), signal)
    } finally {
      this.#release(room)
    }
  }

  /** What the room keeps, whoever is in it. Rejects when it cannot be read. */
  async read(room: string, since: Position | null, limit: number): Promise<Recovery> {
    const { top, messages, complete } = await this.#read(roomChannel(room), since, limit, null)
    const offset = messages.at(-1)?.offset ?? top.offset
    return this.#told({ position: { epoch: top.epoch, offset }, messages, complete })
  }

  /** The bus is back: what was published meanwhile went unheard. */
  up(): void {
    for (const { feed } of this.#rooms.values()) feed.heal()
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
    for (const { feed, deafen } of this.#rooms.values()) {
      deafen()
      feed.close()
    }
    this.#rooms.clear()
    this.#unverified = []
    this.#reads.close()
  }

  #feed(room: string): Feed {
    const found = this.#rooms.get(room)
    if (found !== undefined) return found.feed
    const { clock, random, interest } = this.#context
    const channel = roomChannel(room)
    const feed = new Feed({
      clock,
      random,
      room,
      read: (since, limit, signal) => this.#read(channel, since, limit, signal),
      deliver: (position, payload) => this.#deliver(room, position, payload),
      gap: (gap) => this.#lost(gap),
      healed: (messages) => {
        this.counts.healed += messages
      },
    })
    feed.open()
    this.#rooms.set(room, { feed, deafen: interest.listen(channel, () => feed.start()) })
    this.#cancel ??= clock.after(verifyStep, () => this.#verify())
    return feed
  }

  #release(room: string): void {
    const there = this.#rooms.get(room)
    if (there === undefined || there.feed.busy || this.#occupied.has(room)) return
    there.deafen()
    there.feed.close()
    this.#rooms.delete(room)
    this.#context.interest.drop(roomChannel(room))
  }

  #deliver(room: string, position: Position, payload: Uint8Array): void {
    const order = readOrder(payload)
    if (order !== null) {
      this.#context.local.apply({ kind: 'room', name: room }, { ...order, position })
      return
    }
    this.counts.refused += 1
    const { epoch, offset } = position
    this.#lost({ room, after: { epoch, offset: offset - 1 }, before: { epoch, offset: offset + 1 } })
  }

  #lost(gap: Gap): void {
    this.counts.gaps += 1
    this.#context.gap(gap)
  }

  /** For those who come back. What nobody here understands is lost for them, and what is before it of no use. */
  #told({ position, messages, complete }: FeedRecovery): Recovery {
    const epoch = position?.epoch ?? ''
    let told: RecoveredMessage[] = []
    let whole = complete
    for (const { offset, payload } of messages) {
      const order = readOrder(payload)
      if (order !== null) {
        told.push({ position: { epoch, offset }, data: order.data })
        continue
      }
      told = []
      whole = false
    }
    return { position, messages: told, complete: whole }
  }

  #verify(): void {
    this.#cancel = null
    if (this.#stepsLeft === 0) {
      this.#stepsLeft = verifyEvery / verifyStep
      this.#unverified = [...this.#rooms.values()]
    }
    const share = Math.ceil(this.#unverified.length / this.#stepsLeft--)
    for (const { feed } of this.#unverified.splice(0, share)) feed.verify()
    if (this.#rooms.size > 0) {
      this.#cancel = this.#context.clock.after(verifyStep, () => this.#verify())
      return
    }
    this.#stepsLeft = 0
    this.#unverified = []
  }

  async #append(room: string, bytes: Uint8Array): Promise<Position> {
    const { store, limits } = this.#context
    const size = bytes.length + overhead
    if (this.#underWay + size > maxUnderWay) throw unavailable('too much is under way to the broker')
    this.#underWay += size
    try {
      return await store.append(roomChannel(room), bytes, limits(room))
    } finally {
      this.#underWay -= size
    }
  }

  #read(
    channel: string,
    since: Position | null,
    limit: number,
    signal: AbortSignal | null,
  ): Promise<HistorySlice> {
    return this.#reads.run(() => this.#context.store.read(channel, since, limit), signal)
  }
}

function readOrder(payload: Uint8Array): Extract<Order, { do: 'send' }> | null {
  const message = decode(payload)?.message
  const [first] = message?.kind === 'orders' ? message.orders : ([] as Directed[])
  return first?.order.do === 'send' ? first.order : null
}
