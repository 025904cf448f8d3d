import type { Clock } from '../clock.ts'
import type { HistoryMessage, HistorySlice, Position } from '../cluster.ts'

/** Live messages that wait while a gap is healed; what is more is read from the history. */
const maxHeld = 1_000
/** Deliveries that are kept for connections that are coming in. */
const maxRecent = 2_000
/** Messages of one read while healing. */
const healPage = 500
const retryAfter = 500

/** What could not be had any more of a room with history. */
export interface Gap {
  readonly room: string
  /** The last that was delivered before. */
  readonly after: Position
  /** The first that is delivered behind; its offset is one more than the last known when there is none yet. */
  readonly before: Position
}

export interface FeedContext {
  readonly clock: Clock
  readonly room: string
  read(since: Position | null, limit: number): Promise<HistorySlice>
  deliver(position: Position, payload: Uint8Array): void
  gap(gap: Gap): void
  healed(messages: number): void
}

/** What a connection is let in with. */
export interface FeedRecovery {
  readonly position: Position | null
  readonly messages: readonly HistoryMessage[]
  readonly complete: boolean
}

/**
 * One room with history, on a node that has members of it: delivers every message once, in the order of the offsets,
 * whatever way it comes (live, as the answer to an append, or read), and says so when one cannot be had any more.
 */
export class Feed {
  readonly #context: FeedContext
  #state: 'starting' | 'live' | 'healing' | 'closed' = 'starting'
  #epoch = ''
  #delivered = 0
  #held: { position: Position; payload: Uint8Array }[] = []
  /** Deliveries since the first of those that are coming in began; null when nobody is. */
  #recent: { position: Position; payload: Uint8Array }[] | null = null
  #coming = 0
  #overflowed = false
  #quiet = false
  readonly #waiting = new Set<() => void>()
  #cancelRetry: (() => void) | null = null

  /** Starts when the room's channel is heard: `start`. */
  constructor(context: FeedContext) {
    this.#context = context
  }

  /** Of the last delivery; null before the start. */
  get position(): Position | null {
    return this.#state === 'starting' ? null : { epoch: this.#epoch, offset: this.#delivered }
  }

  /** Whether connections are coming in. */
  get busy(): boolean {
    return this.#coming > 0
  }

  /** From the present end of the history on. What is heard already waits. */
  start(): void {
    if (this.#state === 'starting') void this.#begin()
  }

  /** A message that was heard, or appended. */
  receive(position: Position, payload: Uint8Array): void {
    if (this.#state === 'closed') return
    if (this.#state !== 'live') {
      // The rest is found when the history is read to its end.
      if (this.#held.length < maxHeld) this.#held.push({ position, payload })
      return
    }
    if (position.epoch === this.#epoch) {
      if (position.offset <= this.#delivered) return
      if (position.offset === this.#delivered + 1) {
        this.#deliver(position.offset, payload)
        return
      }
    }
    this.#held.push({ position, payload })
    this.heal()
  }

  /** Reads what may have been missed, when nothing was delivered since the last call. */
  verify(): void {
    if (this.#quiet) this.heal()
    this.#quiet = true
  }

  /** Reads what may have been missed. */
  heal(): void {
    if (this.#state !== 'live') return
    this.#state = 'healing'
    void this.#heal()
  }

  close(): void {
    this.#state = 'closed'
    this.#cancelRetry?.()
    this.#held = []
    this.#wake()
  }

  /**
   * @param most messages that are sent to one who comes in
   * @param admit called once, when exactly what it is given has been delivered
   */
  async recover(
    since: Position | null,
    most: number,
    admit: (recovery: FeedRecovery) => void,
  ): Promise<void> {
    this.#coming += 1
    try {
      await this.#enter(since, most, admit)
    } finally {
      this.#coming -= 1
      if (this.#coming === 0) {
        this.#recent = null
        this.#overflowed = false
      }
    }
  }

  // Nothing may be delivered between the moment in which a recovery is put together and `admit`, so there is no
  // `await` between them, not even that of a function that returns.
  async #enter(since: Position | null, most: number, admit: (recovery: FeedRecovery) => void): Promise<void> {
    for (let wait = this.#unsettled(); wait !== null; wait = this.#unsettled()) await wait
    if (since !== null && (since.epoch !== this.#epoch || since.offset > this.#delivered)) {
      // Whoever comes from another node may have heard more than this one has: it catches up first.
      this.heal()
      for (let wait = this.#unsettled(); wait !== null; wait = this.#unsettled()) await wait
    }
    this.#recent ??= []
    if (this.#state !== 'live') return admit({ position: null, messages: [], complete: false })
    const same = since === null || since.epoch === this.#epoch
    if (since === null || (same && since.offset === this.#delivered)) {
      return admit({ position: this.position, messages: [], complete: true })
    }
    if (same && since.offset < this.#delivered) {
      const slice = await this.#read(since, most)
      for (let wait = this.#unsettled(); wait !== null; wait = this.#unsettled()) await wait
      const whole = this.#whole(slice, since)
      if (whole !== null) return admit(whole)
    }
    const slice = await this.#read(null, most)
    for (let wait = this.#unsettled(); wait !== null; wait = this.#unsettled()) await wait
    admit(this.#tail(slice, since, most))
  }

  /** Everything after `since`; null when that cannot be had. */
  #whole(slice: HistorySlice | null, since: Position): FeedRecovery | null {
    if (this.#state !== 'live' || slice === null || !slice.complete) return null
    if (slice.top.epoch !== this.#epoch || since.epoch !== this.#epoch) return null
    const messages = this.#join(slice.messages)
    if (messages[0]?.offset !== since.offset + 1 || !this.#reaches(messages)) return null
    return { position: this.position, messages, complete: true }
  }

  /** The last of what there is and may be new to whoever has everything up to `since`. */
  #tail(slice: HistorySlice | null, since: Position, most: number): FeedRecovery {
    if (this.#state !== 'live') return { position: null, messages: [], complete: false }
    const messages = this.#join(slice?.top.epoch === this.#epoch ? slice.messages : [])
    const unseen = since.epoch === this.#epoch ? since.offset : 0
    const kept = this.#reaches(messages) ? messages.slice(-most).filter(({ offset }) => offset > unseen) : []
    return { position: this.position, messages: kept, complete: false }
  }

  /** What was read, and what was delivered meanwhile, up to what has been delivered now. */
  #join(read: readonly HistoryMessage[]): HistoryMessage[] {
    const messages = read.filter(({ offset }) => offset <= this.#delivered)
    const last = messages.at(-1)?.offset ?? 0
    for (const { position, payload } of this.#recent ?? []) {
      if (position.epoch !== this.#epoch || position.offset <= last) continue
      messages.push({ offset: position.offset, payload })
    }
    return messages
  }

  /** Whether messages are contiguous up to what has been delivered. */
  #reaches(messages: readonly HistoryMessage[]): boolean {
    const first = messages[0]
    if (first === undefined) return false
    if (first.offset + messages.length - 1 !== this.#delivered) return false
    return messages.every(({ offset }, index) => offset === first.offset + index)
  }

  async #read(since: Position | null, limit: number): Promise<HistorySlice | null> {
    try {
      return await this.#context.read(since, limit)
    } catch {
      return null
    }
  }

  async #begin(): Promise<void> {
    const slice = await this.#read(null, 0)
    if (this.#state !== 'starting') return
    if (slice === null) {
      this.#later(() => void this.#begin())
      return
    }
    const { epoch, offset } = slice.top
    this.#epoch = epoch
    this.#delivered = offset
    // What was heard before this read was answered is for those who are in already.
    for (const { position } of this.#held) {
      if (position.epoch === epoch) this.#delivered = Math.min(this.#delivered, position.offset - 1)
    }
    this.#goLive(0)
  }

  async #heal(): Promise<void> {
    while (this.#state === 'healing') {
      const seen = this.#held.length
      const slice = await this.#read({ epoch: this.#epoch, offset: this.#delivered }, healPage)
      if (this.#state !== 'healing') return
      if (slice === null) {
        this.#later(() => void this.#heal())
        return
      }
      this.#catchUp(slice)
      if (this.#delivered >= slice.top.offset) {
        // When that heals again, it is another call that does.
        this.#goLive(seen)
        return
      }
    }
  }

  #catchUp({ top, messages }: HistorySlice): void {
    const after = { epoch: this.#epoch, offset: this.#delivered }
    const next = messages[0]?.offset ?? top.offset + 1
    const same = top.epoch === this.#epoch
    if (!same || next !== this.#delivered + 1) {
      this.#epoch = top.epoch
      this.#delivered = next - 1
      this.#context.gap({ room: this.#context.room, after, before: { epoch: top.epoch, offset: next } })
    }
    for (const { offset, payload } of messages) this.#deliver(offset, payload)
    if (messages.length > 0) this.#context.healed(messages.length)
  }

  /** @param seen of those that are held, how many had come before the history was read */
  #goLive(seen: number): void {
    this.#state = 'live'
    const held = this.#held
    this.#held = []
    for (const [index, { position, payload }] of held.entries()) {
      // Whatever is heard can be read. What could not is of an epoch that is over, or no message of this room:
      // reading again would find as little, for ever.
      if (index < seen && !this.#continues(position)) continue
      this.receive(position, payload)
      // It heals again: the rest waits behind it.
      if (this.#state !== 'live') {
        this.#held.push(...held.slice(index + 1))
        return
      }
    }
    this.#wake()
  }

  /** Whether nothing is missing between what was delivered and this. */
  #continues({ epoch, offset }: Position): boolean {
    return epoch === this.#epoch && offset <= this.#delivered + 1
  }

  #deliver(offset: number, payload: Uint8Array): void {
    this.#delivered = offset
    this.#quiet = false
    const position = { epoch: this.#epoch, offset }
    if (this.#recent !== null && !this.#overflowed) {
      this.#recent.push({ position, payload })
      if (this.#recent.length > maxRecent) {
        this.#overflowed = true
        this.#recent = []
      }
    }
    this.#context.deliver(position, payload)
  }

  #later(again: () => void): void {
    this.#cancelRetry = this.#context.clock.after(retryAfter, again)
  }

  /** Null when the feed is live or closed. */
  #unsettled(): Promise<void> | null {
    if (this.#state === 'live' || this.#state === 'closed') return null
    return new Promise<void>((resolve) => this.#waiting.add(resolve))
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }
}
