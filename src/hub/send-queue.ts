import { Batch } from './batch.ts'
import type { Message } from './message.ts'

/**
 * What happens to a message for which there is no room:
 * `close`: the connection is closed with 4008.
 * `drop-oldest`: the messages that have waited for longest make room.
 * `drop-newest`: it is not sent.
 * `conflate`: like `close`, but a message with a key takes the place of one that waits with the same key.
 * A message with a place in a history is not dropped: where there is no room for it, it is `close`.
 */
export type WhenFull = 'close' | 'drop-oldest' | 'drop-newest' | 'conflate'

/**
 * What a message is, for those who choose which one is lost.
 * `plain`: it may be dropped. `placed`: it has a place in a history, so that a hole would show: it is never dropped, and
 * when there is no room for it, the connection is to be closed. `recovered`: like `placed`, and outside the limit:
 * whoever comes back is not sent away again for what it comes for.
 */
export type Kind = 'plain' | 'placed' | 'recovered'

/** What a message costs in bookkeeping, so that empty ones are bounded, too. */
const overhead = 64

/** Compacted when more than half of so many places are holes. */
const compactFrom = 64

interface Waiting {
  readonly message: Message
  readonly key: string | null
  readonly kind: Kind
}

/**
 * The messages that wait for a peer that does not keep up, in order, within a limit of bytes. Each message counts 64
 * bytes more than its size.
 */
export class SendQueue {
  readonly #limit: number
  readonly #whenFull: WhenFull
  /** From `#head` on; holes are where messages were dropped or conflated away. */
  #places: (Waiting | null)[] = []
  #head = 0
  #holes = 0
  /** Where the message with a key stands, counted from the beginning of the queue's life. */
  readonly #byKey = new Map<string, number>()
  /** Places that were cut off from the front of `#places`. */
  #base = 0
  /** Before this place, counted like those of keys, nothing may be dropped. */
  #firstPlain = 0
  #bytes = 0
  /** Of `#bytes`, those outside the limit. */
  #exempt = 0
  #lost = 0

  constructor(limit: number, whenFull: WhenFull) {
    this.#limit = limit
    this.#whenFull = whenFull
  }

  /** Of the messages, with 64 for each. */
  get bytes(): number {
    return this.#bytes
  }

  /** Of `bytes`, those of recovered messages. */
  get exempt(): number {
    return this.#exempt
  }

  get count(): number {
    return this.#places.length - this.#head - this.#holes
  }

  /** Messages that were dropped or conflated away since the beginning. */
  get lost(): number {
    return this.#lost
  }

  /** `full`: not taken, and the connection is to be closed. */
  push(message: Message, key: string | null, kind: Kind = 'plain'): 'queued' | 'dropped' | 'full' {
    const cost = message.size + overhead
    if (kind !== 'recovered') {
      const conflates = key !== null && this.#whenFull === 'conflate'
      if (conflates) this.#conflate(key)
      if (!this.#makeRoom(cost)) {
        if (kind === 'placed' || this.#whenFull === 'close' || this.#whenFull === 'conflate') return 'full'
        this.#lost++
        return 'dropped'
      }
      if (conflates) this.#byKey.set(key, this.#base + this.#places.length)
    } else this.#exempt += cost
    this.#places.push({ message, key, kind })
    this.#bytes += cost
    return 'queued'
  }

  /** Takes messages from the front, at least one and then up to `most` bytes; null when none waits. */
  take(most: number): Batch | null {
    let batch: Batch | null = null
    while (batch === null || batch.bytes < most) {
      const message = this.#shift()
      if (message === null) break
      batch = batch === null ? new Batch(null, message) : batch.with(message)
    }
    return batch
  }

  /** The oldest message, of which the queue knows nothing any more. */
  #shift(): Message | null {
    while (this.#head < this.#places.length) {
      const place = this.#base + this.#head
      const waiting = this.#places[this.#head] as Waiting | null
      this.#places[this.#head++] = null
      this.#compact()
      if (waiting === null) {
        this.#holes--
        continue
      }
      this.#forget(waiting, place)
      return waiting.message
    }
    return null
  }

  /** Whether there is room now for so much more. Nothing is dropped for what would not fit into an empty queue. */
  #makeRoom(cost: number): boolean {
    const fits = () => this.#bytes - this.#exempt + cost <= this.#limit
    if (this.#whenFull === 'drop-oldest' && cost <= this.#limit) while (!fits() && this.#dropOldest());
    return fits()
  }

  /** Drops the oldest that may be dropped; false when there is none. */
  #dropOldest(): boolean {
    let at = Math.max(this.#firstPlain - this.#base, this.#head)
    while (at < this.#places.length && this.#places[at]?.kind !== 'plain') at++
    this.#firstPlain = this.#base + at
    return this.#drop(at)
  }

  /** What waits with this key is not sent any more. */
  #conflate(key: string): void {
    const place = this.#byKey.get(key)
    if (place !== undefined) this.#drop(place - this.#base)
  }

  #drop(at: number): boolean {
    const waiting = this.#places[at]
    if (waiting === undefined || waiting === null) return false
    this.#places[at] = null
    this.#holes++
    this.#lost++
    this.#forget(waiting, this.#base + at)
    if (this.#holes > compactFrom && this.#holes > this.count) this.#close()
    return true
  }

  #forget({ message, key, kind }: Waiting, place: number): void {
    const cost = message.size + overhead
    this.#bytes -= cost
    if (kind === 'recovered') this.#exempt -= cost
    if (key !== null && this.#byKey.get(key) === place) this.#byKey.delete(key)
  }

  /** Cuts the front off when most of the array is front. */
  #compact(): void {
    if (this.#head < compactFrom || this.#head * 2 < this.#places.length) return
    this.#places = this.#places.slice(this.#head)
    this.#base += this.#head
    this.#head = 0
  }

  /** Closes the holes. Places change, so that keys are noted anew. */
  #close(): void {
    this.#base += this.#places.length
    this.#places = this.#places.filter((waiting, at) => at >= this.#head && waiting !== null)
    this.#head = 0
    this.#holes = 0
    this.#firstPlain = this.#base
    this.#byKey.clear()
    if (this.#whenFull !== 'conflate') return
    for (const [at, waiting] of this.#places.entries()) {
      if (waiting !== null && waiting.key !== null) this.#byKey.set(waiting.key, this.#base + at)
    }
  }
}
