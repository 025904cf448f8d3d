import type { HistoryLimits, HistorySlice, Position } from './cluster.ts'

interface Kept {
  readonly offset: number
  readonly payload: Uint8Array
  readonly at: number
}

interface Channel {
  readonly epoch: string
  offset: number
  messages: Kept[]
  limits: HistoryLimits
  touched: number
}

/** Of channels that were read before anything was written to them. */
const unwritten: HistoryLimits = { size: 0, age: 60_000 }

/** Channels that are kept equally long, so that the one to forget is always in front: least recently touched first. */
interface Generation {
  /** Those that may have messages. */
  readonly full: Map<string, Channel>
  /** Those whose messages are all too old, and gone. */
  readonly empty: Map<string, Channel>
}

/**
 * Histories in this process's memory, by channel: what a `HistoryStore` keeps, without its connection. It has no timer:
 * what is too old goes when anything at all is written or read.
 */
export class HistoryLog {
  readonly #now: () => number
  readonly #channels = new Map<string, Channel>()
  /** By age. There are as many as there are rules for rooms. */
  readonly #generations = new Map<number, Generation>()
  #epochs = 0

  /** @param now milliseconds of a clock that never runs backwards */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Channels, and bytes of the messages that they hold. */
  get size(): { readonly channels: number; readonly bytes: number } {
    let bytes = 0
    for (const { messages } of this.#channels.values()) {
      for (const { payload } of messages) bytes += payload.length
    }
    return { channels: this.#channels.size, bytes }
  }

  append(name: string, payload: Uint8Array, limits: HistoryLimits): Position {
    const channel = this.#channel(name, limits)
    channel.offset += 1
    channel.messages.push({ offset: channel.offset, payload, at: this.#now() })
    this.#trim(channel)
    return { epoch: channel.epoch, offset: channel.offset }
  }

  read(name: string, since: Position | null, limit: number): HistorySlice {
    const channel = this.#channel(name, null)
    this.#trim(channel)
    const top = { epoch: channel.epoch, offset: channel.offset }
    if (since === null) {
      return { top, messages: limit === 0 ? [] : channel.messages.slice(-limit).map(told), complete: true }
    }
    const same = since.epoch === channel.epoch
    const after = channel.messages.filter(({ offset }) => !same || offset > since.offset)
    const first = after[0]?.offset ?? channel.offset + 1
    const complete = same && first === since.offset + 1 && after.length <= limit
    return { top, messages: after.slice(0, limit).map(told), complete }
  }

  /** @param limits those that hold from now on; null for those that it has */
  #channel(name: string, limits: HistoryLimits | null): Channel {
    this.#forget()
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      this.#epochs += 1
      const epoch = `${Math.random().toString(36).slice(2, 8)}${this.#epochs}`
      channel = { epoch, offset: 0, messages: [], limits: limits ?? unwritten, touched: 0 }
      this.#channels.set(name, channel)
    }
    const before = this.#generation(channel)
    before.full.delete(name)
    before.empty.delete(name)
    channel.limits = limits ?? channel.limits
    channel.touched = this.#now()
    this.#generation(channel).full.set(name, channel)
    return channel
  }

  #generation({ limits }: Channel): Generation {
    let generation = this.#generations.get(limits.age)
    if (generation === undefined) {
      generation = { full: new Map(), empty: new Map() }
      this.#generations.set(limits.age, generation)
    }
    return generation
  }

  #trim(channel: Channel): void {
    const oldest = this.#now() - channel.limits.age
    let gone = Math.max(0, channel.messages.length - channel.limits.size)
    while (gone < channel.messages.length && (channel.messages[gone] as Kept).at < oldest) gone += 1
    if (gone > 0) channel.messages.splice(0, gone)
  }

  /** Epoch and offset outlive the messages a hundredfold; then the channel goes too. */
  #forget(): void {
    const now = this.#now()
    for (const [age, { full, empty }] of this.#generations) {
      for (const [name, channel] of full) {
        if (channel.touched + age >= now) break
        channel.messages = []
        full.delete(name)
        empty.set(name, channel)
      }
      for (const [name, channel] of empty) {
        if (channel.touched + age * 100 > now) break
        empty.delete(name)
        this.#channels.delete(name)
      }
      if (full.size + empty.size === 0) this.#generations.delete(age)
    }
  }
}

function told({ offset, payload }: Kept) {
  return { offset, payload }
}
