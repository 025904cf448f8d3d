import { backoff } from '../../core/backoff.ts'
import type { Clock } from '../clock.ts'
import type { HistoryMessage, HistorySlice, Position } from '../cluster.ts'
import { Backlog } from './backlog.ts'

/** Live messages that wait while a gap is healed, and what they weigh; what is more is read from the history. */
const maxHeld = 1_000
/** Deliveries that are kept for connections that are coming in: the newest. */
const maxRecent = 2_000
/** Each of the two, of payloads. */
const maxBytes = 4 * 1024 * 1024
/** Messages of one read while healing. */
const healPage = 500
/** Between two attempts to read: with jitter, and longer each time. `heal` does not wait for it. */
const retryAfter = 500
const longestRetry = 5_000
/** So long an own message may be known before it is heard, until it counts as missed. */
const hearWithin = 100

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
  /** From 0 to below 1. */
  readonly random: () => number
  readonly room: string
  /** Rejects at once when the signal aborts. */
  read(since: Position | null, limit: number, signal: AbortSignal): Promise<HistorySlice>
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
 *
 * It begins at the end that the history has when it is opened, and reads what came since as soon as the channel is
 * heard: so nothing is missed in between, whichever of the two is slower.
 */
export class Feed {
  readonly #context: FeedContext
  #state: 'starting' | 'live' | 'healing' | 'closed' = 'starting'
  /** Null until the history has been read for the first time. */
  #epoch: string | null = null
  #delivered = 0
  #isHeard = false
  readonly #held = new Backlog(maxHeld, maxBytes)
  /** The last deliveries since the first of those that are coming in began; null when nobody is. */
  #recent: Backlog | null = null
  #coming = 0
  #quiet = false
  /** Reads of what may have been missed: begun so far, and the last one that led to its end. */
  #begun = 0
  #ended = 0
  /** Something may have been missed since the last read was begun. */
  #again = false
  #attempt = 0
  /** Own messages that are known and were not heard yet, the first and the last. */
  #ahead: { first: Position; last: Position } | null = null
  readonly #waiting = new Set<() => void>()
  #retry: (() => void) | null = null
  #cancelRetry: (() => void) | null = null
  #cancelAhead: (() => void) | null = null
  /** Gives up what is being read for everybody. */
  #reading: AbortController | null = null

  constructor(context: FeedContext) {
    this.#context = context
  }

  /** Whether connections are coming in. */
  get busy(): boolean {
    return this.#coming > 0
  }

  /** Connections that wait until it is live. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Reads where the history ends now: what comes after is delivered, once the channel is heard. Called once. */
  open(): void {
    void this.#open()
  }

  /** The channel is heard from now on. */
  start(): void {
    this.#isHeard = true
    this.#begin()
  }

  /** A message that was heard. */
  receive(position: Position, payload: Uint8Array): void {
    if (this.#state === 'closed') return
    if (this.#state !== 'live') {
      // The rest is found when the history is read to its end.
      if (!this.#held.push({ position, payload })) this.#again = true
      return
    }
    if (position.epoch === this.#epoch) {
      if (position.offset <= this.#delivered) return
      if (position.offset === this.#delivered + 1) {
        this.#deliver(position.offset, payload)
        return
      }
    }
    // What comes before it can be read, and so can this one: whatever is heard is kept.
    this.heal()
  }

  /**
   * A message that this node has appended: known from the answer, it may be here before those that others have
   * appended first. They are about to be heard, and this one behind them.
   */
  appended(position: Position, payload: Uint8Array): void {
    const isNext = position.epoch === this.#epoch && position.offset <= this.#delivered + 1
    if (this.#state !== 'live' || isNext) {
      this.receive(position, payload)
      return
    }
    this.#awaitOwn(position)
  }

  /** Reads what may have been missed, when nothing was delivered since the last call. */
  verify(): void {
    if (this.#quiet && this.#state === 'live') this.heal()
    this.#quiet = true
  }

  /** Reads what may have been missed; what is being read does not count. */
  heal(): void {
    if (this.#state === 'live') {
      this.#state = 'healing'
      void this.#heal()
    } else if (this.#state !== 'closed') {
      this.#again = true
      this.#attempt = 0
      this.#retryNow()
    }
  }

  close(): void {
    this.#state = 'closed'
    this.#cancelRetry?.()
    this.#cancelAhead?.()
    this.#reading?.abort()
    this.#held.take()
    this.#wake()
  }

  /**
   * @param most messages that are sent to one who comes in
   * @param admit called once, when exactly what it is given has been delivered; not after the signal has aborted
   */
  async recover(
    since: Position | null,
    most: number,
    admit: (recovery: FeedRecovery) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#coming += 1
    try {
      await this.#enter(since, most, admit, signal)
    } finally {
      this.#coming -= 1
      if (this.#coming === 0) this.#recent = null
    }
  }

  // Nothing may be delivered between the moment in which a recovery is put together and `admit`, so there is no
  // `await` between them, not even that of a function that returns.
  async #enter(
    since: Position | null,
    most: number,
    admit: (recovery: FeedRecovery) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const next = this.#begun + 1
    // Never from inside a delivery: whoever comes in then might get that message, or not.
    await null
    for (let wait = this.#unsettled(signal); wait !== null; wait = this.#unsettled(signal)) await wait
    if (since !== null && this.#isStrange(since) && this.#ended < next && !signal.aborted) {
      // Whoever comes from another node may have heard more than this one has: it catches up first.
      this.heal()
      for (let wait = this.#unsettled(signal); wait !== null; wait = this.#unsettled(signal)) await wait
    }
    if (signal.aborted) return
    this.#recent ??= new Backlog(maxRecent, maxBytes)
    if (this.#state !== 'live') return admit({ position: null, messages: [], complete: false })
    if (since === null || (since.epoch === this.#epoch && since.offset === this.#delivered)) {
      return admit({ position: this.#position, messages: [], complete: true })
    }
    const isKnown = !this.#isStrange(since)
    if (isKnown) {
      const slice = await this.#read(since, most, signal)
      for (let wait = this.#unsettled(signal); wait !== null; wait = this.#unsettled(signal)) await wait
      if (signal.aborted) return
      const whole = this.#whole(slice, since)
      if (whole !== null) return admit(whole)
    }
    const slice = await this.#read(null, most, signal)
    for (let wait = this.#unsettled(signal); wait !== null; wait = this.#unsettled(signal)) await wait
    if (!signal.aborted) admit(this.#tail(slice, since, isKnown, most))
  }

  get #isClosed(): boolean {
    return this.#state === 'closed'
  }

  get #position(): Position {
    return { epoch: this.#epoch ?? '', offset: this.#delivered }
  }

  /** Not a place that this feed has been at. */
  #isStrange(since: Position): boolean {
    return since.epoch !== this.#epoch || since.offset > this.#delivered
  }

  /** Everything after `since`; null when that cannot be had. */
  #whole(slice: HistorySlice | null, since: Position): FeedRecovery | null {
    if (this.#state !== 'live' || slice === null || !slice.complete) return null
    if (slice.top.epoch !== this.#epoch || since.epoch !== this.#epoch) return null
    const messages = this.#join(slice.messages)
    if (messages[0]?.offset !== since.offset + 1 || !this.#reaches(messages)) return null
    return { position: this.#position, messages, complete: true }
  }

  /**
   * The last of what there is and may be new to whoever has everything up to `since`.
   * @param isKnown whether that was a place of this feed
   */
  #tail(slice: HistorySlice | null, since: Position, isKnown: boolean, most: number): FeedRecovery {
    if (this.#state !== 'live') return { position: null, messages: [], complete: false }
    const joined = this.#join(slice?.top.epoch === this.#epoch ? slice.messages : [])
    const isSame = since.epoch === this.#epoch
    const had = isSame ? since.offset : 0
    const missed = this.#reaches(joined) ? joined.filter(({ offset }) => offset > had) : []
    // The read of exactly that may have failed, and this one not.
    const complete = isKnown && isSame && had + missed.length === this.#delivered
    return { position: this.#position, messages: complete ? missed : missed.slice(-most), complete }
  }

  /** What was read, and what was delivered meanwhile, up to what has been delivered now. */
  #join(read: readonly HistoryMessage[]): HistoryMessage[] {
    const messages = read.filter(({ offset }) => offset <= this.#delivered)
    const last = messages.at(-1)?.offset ?? 0
    for (const { position, payload } of this.#recent?.messages ?? []) {
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

  async #read(since: Position | null, limit: number, signal: AbortSignal): Promise<HistorySlice | null> {
    try {
      return await this.#context.read(since, limit, signal)
    } catch {
      return null
    }
  }

  /** One at a time. */
  async #readForAll(since: Position | null, limit: number): Promise<HistorySlice | null> {
    this.#reading = new AbortController()
    const slice = await this.#read(since, limit, this.#reading.signal)
    this.#reading = null
    return slice
  }

  async #open(): Promise<void> {
    const slice = await this.#readForAll(null, 0)
    if (this.#state !== 'starting') return
    if (slice === null) {
      this.#later(() => void this.#open())
      return
    }
    this.#attempt = 0
    this.#epoch = slice.top.epoch
    this.#delivered = slice.top.offset
    this.#begin()
  }

  #begin(): void {
    if (this.#state !== 'starting' || !this.#isHeard || this.#epoch === null) return
    this.#state = 'healing'
    void this.#heal()
  }

  async #heal(): Promise<void> {
    while (this.#state === 'healing') {
      const seen = this.#held.messages.length
      const read = ++this.#begun
      this.#again = false
      const slice = await this.#readForAll(this.#position, healPage)
      if (this.#state !== 'healing') return
      if (slice === null) {
        this.#later(() => void this.#heal())
        return
      }
      this.#attempt = 0
      this.#catchUp(slice)
      this.#letGo(seen)
      if (this.#delivered < slice.top.offset) continue
      this.#ended = read
      if (this.#again) continue
      // When that heals again, it is another call that does.
      this.#goLive()
      return
    }
  }

  #catchUp({ top, messages }: HistorySlice): void {
    const after = this.#position
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

  /**
   * Of what is held, what has been delivered, and what had come before the history was read: whatever is heard can be
   * read. What could not is of an epoch that is over, or no message of this room: reading again would find as little,
   * for ever.
   * @param seen of those that are held, how many had come before
   */
  #letGo(seen: number): void {
    this.#held.keep(({ position: { epoch, offset } }, index) => {
      if (epoch === this.#epoch && offset <= this.#delivered) return false
      return index >= seen || (epoch === this.#epoch && offset === this.#delivered + 1)
    })
  }

  #goLive(): void {
    // Whoever was told of a message or a gap may have been the last to leave.
    if (this.#isClosed) return
    this.#state = 'live'
    const held = this.#held.take()
    for (const { position, payload } of held) {
      this.receive(position, payload)
      // It heals again, and reads the rest.
      if (this.#state !== 'live') return
    }
    this.#wake()
  }

  #deliver(offset: number, payload: Uint8Array): void {
    if (this.#isClosed) return
    this.#delivered = offset
    this.#quiet = false
    const position = this.#position
    this.#recent?.slide({ position, payload })
    this.#context.deliver(position, payload)
  }

  #lookAhead(): void {
    this.#cancelAhead = null
    const ahead = this.#ahead
    this.#ahead = null
    if (ahead === null || this.#state !== 'live' || !this.#isStrange(ahead.last)) return
    if (this.#isStrange(ahead.first)) this.heal()
    else this.#awaitOwn(ahead.last)
  }

  #awaitOwn(position: Position): void {
    this.#ahead = { first: this.#ahead?.first ?? position, last: position }
    this.#cancelAhead ??= this.#context.clock.after(hearWithin, () => this.#lookAhead())
  }

  #later(again: () => void): void {
    const { clock, random } = this.#context
    const wait = retryAfter / 2 + backoff(this.#attempt++, retryAfter, longestRetry, random())
    this.#retry = again
    this.#cancelRetry = clock.after(wait, () => this.#retryNow())
  }

  #retryNow(): void {
    const again = this.#retry
    this.#retry = null
    this.#cancelRetry?.()
    again?.()
  }

  /** Null when the feed is live or closed, or when nobody waits for it any more. */
  #unsettled(signal: AbortSignal): Promise<void> | null {
    if (this.#state === 'live' || this.#state === 'closed' || signal.aborted) return null
    return new Promise<void>((resolve) => {
      const proceed = () => {
        this.#waiting.delete(proceed)
        signal.removeEventListener('abort', proceed)
        resolve()
      }
      this.#waiting.add(proceed)
      signal.addEventListener('abort', proceed)
    })
  }

  #wake(): void {
    for (const proceed of [...this.#waiting]) proceed()
  }
}
