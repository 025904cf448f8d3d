import { Feed, type FeedRecovery, type Gap } from '../cluster/feed.ts'
import type { HistorySlice, Position } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { HistoryLog } from '../history-log.ts'
import { VirtualClock } from './virtual-clock.ts'

const decoder = new TextDecoder()

/** What a run is like. */
export interface FeedWorldOptions {
  readonly random: () => number
  /** Messages that the history keeps. */
  readonly kept: number
  /** Of each message: its text in front, the rest is nothing. */
  readonly bytes: number
  /** Messages that are sent to one who comes in. */
  readonly most: number
}

/** One who is coming in, with all that may excuse that it does not get everything. */
interface Comer {
  readonly since: Position | null
  readonly controller: AbortController
  readonly epochs: number
  /** The end of the history when it came. */
  readonly top: Position
  /** Deliveries before it came. */
  readonly delivered: number
  readLost: boolean
  admitted: boolean
  resolved: boolean
}

/**
 * One feed between a history and a bus that fail in every way that is allowed, and more; and a model that knows every
 * message that there ever was. What the feed does is held against it at once: `wrong` lists what should not be.
 */
export class FeedWorld {
  readonly clock = new VirtualClock()
  readonly wrong: string[] = []
  readonly counts = { delivered: 0, gaps: 0, whole: 0, part: 0, cancelled: 0, reads: 0 }
  /** Faults: how many of the messages go unheard, and how many of the reads break. */
  deaf = 0
  broken = 0
  /** Outages under way: everything goes unheard, no read is answered. */
  busDown = 0
  storeDown = 0
  /** Whether messages may be heard in another order. */
  shuffled = false
  readonly #options: FeedWorldOptions
  #log: HistoryLog
  /** All epochs, in their order, with the text of each message. */
  readonly #archive = new Map<string, string[]>()
  #feed: Feed
  /** Where the feed is, as far as it has said. */
  #place: Position | null = null
  readonly #comers = new Set<Comer>()
  #lastHeard = 0
  #sent = 0

  constructor(options: FeedWorldOptions) {
    this.#options = options
    this.#log = new HistoryLog(() => this.clock.now())
    this.#archive.set(this.top.epoch, [])
    this.#feed = this.#begin()
  }

  get top(): Position {
    return this.#log.read('room', null, 0).top
  }

  get place(): Position | null {
    return this.#place
  }

  get feed(): Feed {
    return this.#feed
  }

  /** Those who wait. */
  get coming(): number {
    return this.#comers.size
  }

  /** A message of another node, or of this one, which knows it from the answer as well. */
  append(own: boolean): void {
    const { random, bytes, kept } = this.#options
    const text = `m${++this.#sent}`
    const payload = new Uint8Array(Math.max(bytes, text.length))
    new TextEncoder().encodeInto(text, payload)
    const position = this.#log.append('room', payload, { size: kept, age: 3_600_000 })
    this.#archive.get(position.epoch)?.push(text)
    if (own) this.clock.after(random() * 12, () => this.#feed.appended(position, payload))
    if (this.busDown > 0 || random() < this.deaf) return
    const heardAt = this.clock.now() + random() * 10
    this.#lastHeard = this.shuffled ? heardAt : Math.max(this.#lastHeard, heardAt)
    this.clock.after(this.#lastHeard - this.clock.now(), () => this.#feed.receive(position, payload))
  }

  /** The history forgets everything. */
  forget(): void {
    this.#log = new HistoryLog(() => this.clock.now())
    this.#archive.set(this.top.epoch, [])
  }

  /** The last member has gone, and the first comes again. */
  reopen(): void {
    this.#feed.close()
    this.#feed = this.#begin()
  }

  /** A place as a client may have it: of now or before, of this node or one that is ahead. */
  somePlace(): Position | null {
    const { random } = this.#options
    const dice = random()
    if (dice < 0.2) return null
    if (dice < 0.6 && this.#place !== null) {
      const { epoch, offset } = this.#place
      return { epoch, offset: Math.max(0, offset - Math.floor(random() * 8)) }
    }
    if (dice < 0.8) return this.top
    if (dice < 0.9) return { epoch: this.top.epoch, offset: this.top.offset + 3 }
    const epochs = [...this.#archive.keys(), 'another']
    return {
      epoch: epochs[Math.floor(random() * epochs.length)] as string,
      offset: Math.floor(random() * 30),
    }
  }

  come(since: Position | null): void {
    const comer: Comer = {
      since,
      controller: new AbortController(),
      epochs: this.#archive.size,
      top: this.top,
      delivered: this.counts.delivered,
      readLost: false,
      admitted: false,
      resolved: false,
    }
    this.#comers.add(comer)
    const { signal } = comer.controller
    const feed = this.#feed
    const admit = (recovery: FeedRecovery) => this.#admit(comer, recovery, feed)
    void feed.recover(since, this.#options.most, admit, signal).then(() => {
      comer.resolved = true
      this.#comers.delete(comer)
      if (!comer.admitted && !signal.aborted) this.wrong.push('neither let in nor given up')
    })
  }

  /** Somebody who waits gives up. */
  async giveUp(): Promise<void> {
    const all = [...this.#comers]
    const comer = all[Math.floor(this.#options.random() * all.length)]
    if (comer === undefined) return
    comer.controller.abort()
    this.counts.cancelled += 1
    await this.clock.settle()
    if (!comer.resolved) this.wrong.push('given up, and still there')
  }

  #begin(): Feed {
    const { random } = this.#options
    this.#place = null
    const feed: Feed = new Feed({
      clock: this.clock,
      random,
      room: 'room',
      read: (since, limit, signal) => this.#read(feed, since, limit, signal),
      deliver: (position, payload) => this.#deliver(feed, position, payload),
      gap: (gap) => this.#gap(feed, gap),
      healed: () => {},
    })
    feed.open()
    this.clock.after(random() * 30, () => feed.start())
    return feed
  }

  #read(feed: Feed, since: Position | null, limit: number, signal: AbortSignal): Promise<HistorySlice> {
    const { random } = this.#options
    this.counts.reads += 1
    return new Promise((resolve, reject) => {
      const lose = () => {
        for (const comer of this.#comers) if (comer.controller.signal === signal) comer.readLost = true
        reject(unavailable('lost'))
      }
      signal.addEventListener('abort', () => reject(unavailable('nobody waits')))
      if (this.#breaks()) {
        lose()
        return
      }
      this.clock.after(random() * 10, () => {
        const slice = this.#log.read('room', since, limit)
        const isLost = this.#breaks()
        this.clock.after(random() * 10, () => {
          if (isLost) {
            lose()
            return
          }
          // The first answer says where the feed begins.
          if (feed === this.#feed) this.#place ??= slice.top
          resolve(slice)
        })
      })
    })
  }

  #breaks(): boolean {
    return this.storeDown > 0 || this.#options.random() < this.broken
  }

  #deliver(feed: Feed, position: Position, payload: Uint8Array): void {
    this.counts.delivered += 1
    const { epoch, offset } = position
    if (feed !== this.#feed) this.wrong.push('delivered after its end')
    if (this.#place?.epoch !== epoch || this.#place.offset + 1 !== offset) {
      this.wrong.push(`delivered ${offset} of ${epoch} after ${show(this.#place)}`)
    }
    this.#compare(epoch, offset, payload)
    this.#place = position
  }

  #gap(feed: Feed, { after, before }: Gap): void {
    this.counts.gaps += 1
    const told = `gap from ${show(after)} to ${show(before)}`
    if (feed !== this.#feed) this.wrong.push(`${told} after its end`)
    if (show(after) !== show(this.#place)) this.wrong.push(`${told}, at ${show(this.#place)}`)
    const epochs = [...this.#archive.keys()]
    if (after.epoch !== before.epoch) {
      const isLater = epochs.indexOf(before.epoch) > epochs.indexOf(after.epoch)
      if (!isLater) this.wrong.push(`${told}, back to an earlier epoch`)
    } else if (before.epoch === this.top.epoch && before.offset > this.#oldest) {
      this.wrong.push(`${told}, though it was there from ${this.#oldest} on`)
    }
    this.#place = { epoch: before.epoch, offset: before.offset - 1 }
  }

  #admit(comer: Comer, { position, messages, complete }: FeedRecovery, feed: Feed): void {
    const { since, controller } = comer
    const what = `let in from ${show(since)} to ${show(position)}`
    if (comer.admitted) this.wrong.push(`${what} twice`)
    comer.admitted = true
    if (controller.signal.aborted) this.wrong.push(`${what} after it gave up`)
    if (feed !== this.#feed) {
      if (position !== null || complete) this.wrong.push(`${what} after the end`)
      return
    }
    if (position === null || show(position) !== show(this.#place)) {
      this.wrong.push(`${what}, but at ${show(this.#place)}`)
      return
    }
    for (const [index, { offset, payload }] of messages.entries()) {
      if (offset !== position.offset - messages.length + 1 + index) this.wrong.push(`${what} with a hole`)
      this.#compare(position.epoch, offset, payload)
    }
    if (complete) this.counts.whole += 1
    else this.counts.part += 1
    const missed = since === null ? 0 : position.offset - since.offset
    const sameEpoch = since === null || since.epoch === position.epoch
    if (complete && (!sameEpoch || messages.length !== missed)) {
      this.wrong.push(`${what} with ${messages.length}, said to be all`)
    }
    const isRepeated = since !== null && (messages[0]?.offset ?? Infinity) <= since.offset
    if (sameEpoch && isRepeated) this.wrong.push(`${what} with what it had`)
    if (!complete && !this.#isExcused(comer, position)) this.wrong.push(`${what}, not all`)
  }

  /** Whether something has happened by which not everything can be had. */
  #isExcused({ since, epochs, top, readLost, delivered }: Comer, position: Position): boolean {
    if (since === null) return false
    if (readLost || epochs !== this.#archive.size) return true
    // The feed may not know yet that the history is another one.
    if (since.epoch !== position.epoch || since.epoch !== this.top.epoch) return true
    if (since.offset > top.offset || since.offset + 1 < this.#oldest) return true
    // More than it may get, or than is kept of what was delivered since.
    const recent = Math.min(1_500, (3 * 1024 * 1024) / this.#options.bytes)
    return this.top.offset - since.offset > this.#options.most || this.counts.delivered - delivered > recent
  }

  #compare(epoch: string, offset: number, payload: Uint8Array): void {
    const text = this.#archive.get(epoch)?.[offset - 1]
    const end = payload.indexOf(0)
    const found = decoder.decode(end < 0 ? payload : payload.subarray(0, end))
    if (found !== text) this.wrong.push(`${found} at ${offset} of ${epoch}, where ${text} was`)
  }

  /** The oldest that is still there. */
  get #oldest(): number {
    const { offset } = this.top
    return Math.max(1, offset - this.#options.kept + 1)
  }
}

function show(position: Position | null): string {
  return position === null ? 'nowhere' : `${position.epoch}:${position.offset}`
}
