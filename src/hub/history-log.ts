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

/** Histories in this process's memory, by channel: what a `HistoryStore` keeps, without its connection. */
export class HistoryLog {
  readonly #now: () => number
  /** Least recently touched first. */
  readonly #channels = new Map<string, Channel>()
  #epochs = 0

  /** @param now milliseconds of a clock that never runs backwards */
  constructor(now: () => number) {
    this.#now = now
  }

  append(name: string, payload: Uint8Array, limits: HistoryLimits): Position {
    const channel = this.#channel(name, limits)
    channel.limits = limits
    channel.offset += 1
    channel.messages.push({ offset: channel.offset, payload, at: this.#now() })
    this.#trim(channel)
    return { epoch: channel.epoch, offset: channel.offset }
  }

  read(name: string, since: Position | null, limit: number): HistorySlice {
    const channel = this.#channel(name, unwritten)
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

  #channel(name: string, limits: HistoryLimits): Channel {
    this.#forget()
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      this.#epochs += 1
      const epoch = `${Math.random().toString(36).slice(2, 8)}${this.#epochs}`
      channel = { epoch, offset: 0, messages: [], limits, touched: 0 }
    }
    // Moves to the end, so that the ones to forget are in front.
    this.#channels.delete(name)
    this.#channels.set(name, channel)
    channel.touched = this.#now()
    return channel
  }

  #trim(channel: Channel): void {
    const oldest = this.#now() - channel.limits.age
    let gone = Math.max(0, channel.messages.length - channel.limits.size)
    while (gone < channel.messages.length && (channel.messages[gone] as Kept).at < oldest) gone += 1
    if (gone > 0) channel.messages.splice(0, gone)
  }

  /** Epoch and offset outlive the messages a hundredfold; then the channel goes too. */
  #forget(): void {
    for (const [name, channel] of this.#channels) {
      if (channel.touched + channel.limits.age * 100 > this.#now()) return
      this.#channels.delete(name)
    }
  }
}

function told({ offset, payload }: Kept) {
  return { offset, payload }
}
