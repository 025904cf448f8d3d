import type { Bus, BusEvents } from '../../hub/cluster.ts'
import { refused, unavailable } from '../../hub/cluster-error.ts'
import type { MemoryLink } from './memory-link.ts'

/** As much as other brokers take by default (NATS). */
const maxPayload = 1024 * 1024

interface Waiting {
  readonly heard: Promise<void>
  /** Nobody waits any more, because of an error or because nobody is interested any more. */
  readonly end: (error: Error | null) => void
}

/** The bus of one node at a broker in this process. */
export class MemoryBus implements Bus {
  readonly #link: MemoryLink
  /** Channels that wait for the connection. */
  readonly #waiting = new Map<string, Waiting>()
  #closed = false

  constructor(link: MemoryLink) {
    this.#link = link
  }

  start(events: BusEvents, patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    this.#link.events = events
    return this.#link.open(this, patience)
  }

  publish(channel: string, payload: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    if (payload.length > maxPayload) return Promise.reject(refused(tooLarge(payload)))
    const copy = payload.slice()
    return this.#link.request((port) => port.publish(channel, copy))
  }

  async subscribe(channel: string): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    this.#link.subscriptions.add(channel)
    if (!this.#link.up) return this.#whenUp(channel)
    this.#link.listen(channel)
    // Nothing that a paused broker takes from now on goes by: it was listened to before it goes on.
  }

  unsubscribe(channel: string): void {
    this.#link.subscriptions.delete(channel)
    this.#link.ignore(channel)
    this.#waiting.get(channel)?.end(null)
  }

  reconnect(reason: string): void {
    this.#link.lose(reason)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.events = null
    for (const channel of this.#link.subscriptions) this.#link.ignore(channel)
    this.#link.subscriptions.clear()
    for (const { end } of [...this.#waiting.values()]) end(unavailable('closed'))
    this.#link.close(this)
  }

  #whenUp(channel: string): Promise<void> {
    const known = this.#waiting.get(channel)
    if (known !== undefined) return known.heard
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const end = (error: Error | null) => {
      cancel()
      this.#waiting.delete(channel)
      if (error === null) resolve()
      else reject(error)
    }
    const cancel = this.#link.whenUp({ up: () => end(null), closed: () => end(unavailable('closed')) })
    this.#waiting.set(channel, { heard: promise, end })
    return promise
  }
}

function tooLarge(payload: Uint8Array): string {
  return `a message of ${payload.length} bytes is larger than the ${maxPayload} that this broker takes`
}
