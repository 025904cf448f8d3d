import { Batch } from './batch.ts'
import type { Message } from './message.ts'

/**
 * What happens to a message for which there is no room:
 * `close`: the connection is closed with 4008.
 * `drop-oldest`: the messages that have waited for longest make room.
 * `drop-newest`: it is not sent.
 * `conflate`: like `close`, but a message with a key takes the place of one that waits with the same key.
 */
export type WhenFull = 'close' | 'drop-oldest' | 'drop-newest' | 'conflate'

/** What a message costs in bookkeeping, so that empty ones are bounded, too. */
const overhead = 64

/** Compacted when more than half of so many places are holes. */
const compactFrom = 64

/**
 * The messages that wait for a peer that does not keep up, in order, within a limit of bytes. Each message counts 64
 * bytes more than its size.
 */
export class SendQueue {
  readonly #limit: number
  readonly #whenFull: WhenFull
  /** From `#head` on; holes are where messages were conflated away. */
  #places: (Message | null)[] = []
  #head = 0
  #holes = 0
  /** Where the message with a key stands, counted from the beginning of the queue's life, and which key stands where. */
  readonly #byKey = new Map<string, number>()
  readonly #keys = new Map<number, string>()
  /** Places that were cut off from the front of `#places`. */
  #base = 0
  #bytes = 0
  #lost = 0

  constructor(limit: number, whenFull: WhenFull) {
    this.#limit = limit
    this.#whenFull = whenFull
  }

  /** Of the messages, with 64 for each. */
  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#places.length - this.#head - this.#holes
  }

  /** Messages that were dropped or conflated away since the beginning. */
  get lost(): number {
    return this.#lost
  }

  /** `full`: not taken, and the connection is to be closed. */
  push(message: Message, key: string | null): 'queued' | 'dropped' | 'full' {
    const cost = message.size + overhead
    if (key !== null && this.#whenFull === 'conflate') this.#forget(key)
    if (this.#bytes + cost > this.#limit) {
      if (this.#whenFull === 'drop-newest' || (this.#whenFull === 'drop-oldest' && cost > this.#limit)) {
        this.#lost++
        return 'dropped'
      }
      if (this.#whenFull !== 'drop-oldest') return 'full'
      while (this.#bytes + cost > this.#limit && this.#shift() !== null) this.#lost++
    }
    if (key !== null && this.#whenFull === 'conflate') {
      const place = this.#base + this.#places.length
      this.#byKey.set(key, place)
      this.#keys.set(place, key)
    }
    this.#places.push(message)
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
      const message = this.#places[this.#head] as Message | null
      this.#places[this.#head++] = null
      this.#compact()
      if (message === null) {
        this.#holes--
        continue
      }
      const key = this.#keys.get(place)
      if (key !== undefined) {
        this.#keys.delete(place)
        this.#byKey.delete(key)
      }
      this.#bytes -= message.size + overhead
      return message
    }
    return null
  }

  /** What waits with this key is not sent any more. */
  #forget(key: string): void {
    const place = this.#byKey.get(key)
    if (place === undefined) return
    const message = this.#places[place - this.#base] as Message
    this.#places[place - this.#base] = null
    this.#holes++
    this.#lost++
    this.#bytes -= message.size + overhead
    this.#byKey.delete(key)
    this.#keys.delete(place)
    if (this.#holes > compactFrom && this.#holes > this.count) this.#close()
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
    const kept: Message[] = []
    const keys: [number, string][] = []
    for (let at = this.#head; at < this.#places.length; at++) {
      const message = this.#places[at] as Message | null
      if (message === null) continue
      const key = this.#keys.get(this.#base + at)
      if (key !== undefined) keys.push([kept.length, key])
      kept.push(message)
    }
    this.#places = kept
    this.#head = 0
    this.#base = 0
    this.#holes = 0
    this.#keys.clear()
    for (const [place, key] of keys) {
      this.#keys.set(place, key)
      this.#byKey.set(key, place)
    }
  }
}
