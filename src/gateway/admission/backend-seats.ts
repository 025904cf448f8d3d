import { TokenBucket } from '../../core/admission/token-bucket.ts'
import type { BackendLimits } from './admission-options.ts'

/** The seats of one backend address, in all pools together. Outlives their snapshots, as the backend does. */
export class BackendSeats {
  /** Upgrades under way to it and live tunnels. */
  used = 0
  #cap = Number.POSITIVE_INFINITY
  #bucket: TokenBucket | null = null

  /** Infinity: no cap. */
  get cap(): number {
    return this.#cap
  }

  /** New limits count at once; live tunnels beyond a smaller cap stay. */
  configure({ maxConnections, rate }: BackendLimits): void {
    this.#cap = maxConnections
    if (rate === null) this.#bucket = null
    else if (this.#bucket === null) this.#bucket = new TokenBucket(rate)
    else this.#bucket.rule = rate
  }

  /**
   * Milliseconds until it may be given another connection; 0: now, Infinity: when one of its seats is freed.
   * @param now as of `performance.now()`
   */
  wait(now: number): number {
    if (this.used >= this.#cap) return Number.POSITIVE_INFINITY
    return this.#bucket === null ? 0 : this.#bucket.wait(now)
  }

  take(): void {
    this.used++
    this.#bucket?.take(performance.now())
  }

  free(): void {
    this.used--
  }
}
