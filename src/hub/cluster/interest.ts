import type { Clock } from '../clock.ts'
import type { Bus } from '../cluster.ts'

interface Wanted {
  readonly subscribed: Promise<void>
  inForce: boolean
  readonly waiting: Set<() => void>
}

/**
 * Which channels this node hears. What nobody wants any more is heard a while longer, so that one who comes back at
 * once costs nothing at the broker.
 */
export class Interest {
  readonly #bus: Pick<Bus, 'subscribe' | 'unsubscribe'>
  readonly #clock: Clock
  readonly #linger: number
  readonly #wanted = new Map<string, Wanted>()
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

  /** Resolves when the channel is heard, at once when it is; rejects when the bus is closed or does not permit it. */
  want(channel: string): Promise<void> {
    return this.#want(channel).subscribed
  }

  /**
   * As `want`, and calls `heard` when the channel is heard, at once when it is. Nothing is kept of it once the
   * function that is returned has been called; the channel stays wanted until `drop`.
   */
  listen(channel: string, heard: () => void): () => void {
    const { inForce, waiting } = this.#want(channel)
    if (inForce) {
      heard()
      return () => {}
    }
    waiting.add(heard)
    return () => waiting.delete(heard)
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

  #want(channel: string): Wanted {
    this.#lingering.delete(channel)
    const known = this.#wanted.get(channel)
    if (known !== undefined) return known
    const wanted: Wanted = { subscribed: this.#bus.subscribe(channel), inForce: false, waiting: new Set() }
    this.#wanted.set(channel, wanted)
    wanted.subscribed.then(
      () => {
        // One that was let go meanwhile is heard no more.
        if (this.#wanted.get(channel) !== wanted) return
        wanted.inForce = true
        for (const heard of wanted.waiting) heard()
        wanted.waiting.clear()
      },
      () => {
        // Nobody has to wait for it. Whoever wants it the next time asks anew.
        wanted.waiting.clear()
        if (this.#wanted.get(channel) === wanted) this.#wanted.delete(channel)
      },
    )
    return wanted
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
