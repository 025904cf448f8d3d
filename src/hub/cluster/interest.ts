import type { Clock } from '../clock.ts'
import type { Bus } from '../cluster.ts'

/**
 * Which channels this node hears. What nobody wants any more is heard a while longer, so that one who comes back at
 * once costs nothing at the broker.
 */
export class Interest {
  readonly #bus: Pick<Bus, 'subscribe' | 'unsubscribe'>
  readonly #clock: Clock
  readonly #linger: number
  readonly #wanted = new Map<string, Promise<void>>()
  /** Channels to let go, and when, in that order. */
  readonly #lingering = new Map<string, number>()
  #cancel: (() => void) | null = null
  #closed = false

  constructor(bus: Pick<Bus, 'subscribe' | 'unsubscribe'>, clock: Clock, linger: number) {
    this.#bus = bus
    this.#clock = clock
    this.#linger = linger
  }

  /** Channels that are heard. */
  get size(): number {
    return this.#wanted.size
  }

  /** Resolves when the channel is heard, at once when it is; rejects only when the bus is closed. */
  want(channel: string): Promise<void> {
    this.#lingering.delete(channel)
    let heard = this.#wanted.get(channel)
    if (heard === undefined) {
      heard = this.#bus.subscribe(channel)
      // Nobody has to wait for it.
      heard.catch(() => {})
      this.#wanted.set(channel, heard)
    }
    return heard
  }

  drop(channel: string): void {
    if (this.#closed || !this.#wanted.has(channel) || this.#lingering.has(channel)) return
    this.#lingering.set(channel, this.#clock.now() + this.#linger)
    this.#cancel ??= this.#clock.after(this.#linger, () => this.#sweep())
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
    this.#lingering.clear()
    this.#wanted.clear()
  }

  #sweep(): void {
    this.#cancel = null
    const now = this.#clock.now()
    for (const [channel, end] of this.#lingering) {
      if (end > now) {
        this.#cancel = this.#clock.after(end - now, () => this.#sweep())
        return
      }
      this.#lingering.delete(channel)
      this.#wanted.delete(channel)
      this.#bus.unsubscribe(channel)
    }
  }
}
