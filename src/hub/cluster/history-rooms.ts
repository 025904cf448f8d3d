import type { Clock } from '../clock.ts'
import type { HistoryLimits, HistoryMessage, HistorySlice, HistoryStore, Position } from '../cluster.ts'
import { readHistoryEnvelope } from '../history-envelope.ts'
import type { Address, LocalHub, Order, RecoveredMessage, Recovery, Relayed } from '../local.ts'
import { roomChannel } from './channels.ts'
import { type Directed, decode, encode, type Sender } from './envelope.ts'
import { Feed, type Gap } from './feed.ts'
import type { Interest } from './interest.ts'
import { statusOf } from './relay.ts'

/** Reads under way at once: after an outage every room wants one. */
const maxReads = 16
/** Rooms in which nothing was heard are compared with the history this often. */
const verifyEvery = 30_000

export interface HistoryRoomsContext {
  readonly clock: Clock
  readonly store: HistoryStore
  readonly interest: Interest
  readonly local: Pick<LocalHub, 'apply'>
  readonly sender: () => Sender
  /** Messages that are sent to one who comes back, at most. */
  readonly most: number
  limits(room: string): HistoryLimits
  gap(gap: Gap): void
}

/** Rooms with history: one feed for each that has members here, or has somebody coming in. */
export class HistoryRooms {
  readonly #context: HistoryRoomsContext
  readonly #feeds = new Map<string, Feed>()
  readonly #occupied = new Set<string>()
  /** Reads that wait for their turn. */
  readonly #queue: (() => void)[] = []
  #reading = 0
  #cancel: (() => void) | null = null
  readonly counts = { healed: 0, gaps: 0 }

  constructor(context: HistoryRoomsContext) {
    this.#context = context
  }

  get size(): number {
    return this.#feeds.size
  }

  occupied(room: string): void {
    this.#occupied.add(room)
    this.#feed(room)
  }

  emptied(room: string): void {
    this.#occupied.delete(room)
    this.#release(room)
  }

  /** Appends, and delivers here in its place; what cannot be kept is delivered without one. */
  async send(room: string, order: Extract<Order, { do: 'send' }>): Promise<Relayed> {
    const { local, sender, store } = this.#context
    const to: Address = { kind: 'room', name: room }
    const bytes = encode(sender(), { kind: 'orders', orders: [{ to, order }] })
    try {
      const position = await store.append(roomChannel(room), bytes, this.#context.limits(room))
      this.#feeds.get(room)?.receive(position, bytes)
      return { status: 'relayed', position }
    } catch (error) {
      const status = statusOf(error)
      // One that may have been taken is found in the history; delivering it here as well would be twice.
      if (status !== 'uncertain') local.apply(to, order)
      return { status, position: null }
    }
  }

  /** What was heard on the channel of a room with history. */
  hear(room: string, bytes: Uint8Array): void {
    const placed = readHistoryEnvelope(bytes)
    if (placed !== null) this.#feeds.get(room)?.receive(placed.position, placed.payload)
  }

  async recover(
    room: string,
    since: Position | null,
    admit: (recovery: Recovery) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const feed = this.#feed(room)
    await feed.recover(since, this.#context.most, ({ position, messages, complete }) => {
      if (!signal.aborted) admit({ position, messages: told(position?.epoch ?? '', messages), complete })
    })
    this.#release(room)
  }

  /** What the room keeps, whoever is in it. Rejects when it cannot be read. */
  async read(room: string, since: Position | null, limit: number): Promise<Recovery> {
    const { top, messages, complete } = await this.#read(roomChannel(room), since, limit)
    const offset = messages.at(-1)?.offset ?? top.offset
    return { position: { epoch: top.epoch, offset }, messages: told(top.epoch, messages), complete }
  }

  /** The bus is back: what was published meanwhile went unheard. */
  up(): void {
    for (const feed of this.#feeds.values()) feed.heal()
  }

  close(): void {
    this.#cancel?.()
    for (const feed of this.#feeds.values()) feed.close()
    this.#feeds.clear()
  }

  #feed(room: string): Feed {
    const found = this.#feeds.get(room)
    if (found !== undefined) return found
    const channel = roomChannel(room)
    const feed = new Feed({
      clock: this.#context.clock,
      room,
      read: (since, limit) => this.#read(channel, since, limit),
      deliver: (position, payload) => this.#deliver(room, position, payload),
      gap: (gap) => {
        this.counts.gaps += 1
        this.#context.gap(gap)
      },
      healed: (messages) => {
        this.counts.healed += messages
      },
    })
    this.#feeds.set(room, feed)
    // What is published from then on is heard, so that the end that is read afterwards leaves no hole.
    this.#context.interest.want(channel).then(
      () => feed.start(),
      () => {},
    )
    this.#cancel ??= this.#context.clock.after(verifyEvery, () => this.#verify())
    return feed
  }

  #release(room: string): void {
    const feed = this.#feeds.get(room)
    if (feed === undefined || feed.busy || this.#occupied.has(room)) return
    feed.close()
    this.#feeds.delete(room)
    this.#context.interest.drop(roomChannel(room))
  }

  #deliver(room: string, position: Position, payload: Uint8Array): void {
    const order = readOrder(payload)
    if (order !== null) this.#context.local.apply({ kind: 'room', name: room }, { ...order, position })
  }

  #verify(): void {
    this.#cancel = null
    for (const feed of this.#feeds.values()) feed.verify()
    if (this.#feeds.size > 0) this.#cancel = this.#context.clock.after(verifyEvery, () => this.#verify())
  }

  async #read(channel: string, since: Position | null, limit: number): Promise<HistorySlice> {
    if (this.#reading >= maxReads) await new Promise<void>((resolve) => this.#queue.push(resolve))
    this.#reading += 1
    try {
      return await this.#context.store.read(channel, since, limit)
    } finally {
      this.#reading -= 1
      this.#queue.shift()?.()
    }
  }
}

function told(epoch: string, messages: readonly HistoryMessage[]): RecoveredMessage[] {
  return messages.flatMap(({ offset, payload }) => {
    const order = readOrder(payload)
    return order === null ? [] : [{ position: { epoch, offset }, data: order.data }]
  })
}

function readOrder(payload: Uint8Array): Extract<Order, { do: 'send' }> | null {
  const message = decode(payload)?.message
  const [first] = message?.kind === 'orders' ? message.orders : ([] as Directed[])
  return first?.order.do === 'send' ? first.order : null
}
