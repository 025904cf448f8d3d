/** How many retries are allowed. */
export interface RetryBudgetRule {
  /** Percent of the requests of the last 10 seconds. */
  readonly budget: number
  /** As many a second on top of that, so that a site with few requests can retry at all. */
  readonly minPerSecond: number
}

/** Milliseconds counted together. */
const slotLength = 1000

/** Slots that make the window. */
const window = 10

/** One more than the window: the oldest, begun one, still counts for retries, so that the bound is exact. */
const slots = window + 1

/**
 * Bounds the retries of the last 10 seconds by a share of the requests of the same time: when everything fails,
 * the backends get that share more than without retries, and not a multiple. Has no clock of its own; one add for
 * a request, no allocation.
 */
export class RetryBudget {
  /** Retries allowed, and not allowed, so far. */
  granted = 0
  denied = 0
  readonly #requests = new Uint32Array(slots)
  readonly #retries = new Uint32Array(slots)
  /** Sums of the slots that count. */
  #recentRequests = 0
  #recentRetries = 0
  /** The present slot, counted from the clock's zero. */
  #slot = Number.NEGATIVE_INFINITY

  /** Counts a request. @param now milliseconds of any clock that does not run backwards */
  request(now: number): void {
    this.#advance(now)
    this.#requests[this.#slot % slots] = (this.#requests[this.#slot % slots] as number) + 1
    this.#recentRequests++
  }

  /** Whether one more retry is allowed; if so, it counts. */
  take(now: number, { budget, minPerSecond }: RetryBudgetRule): boolean {
    this.#advance(now)
    if (this.#recentRetries + 1 > (this.#recentRequests * budget) / 100 + minPerSecond * window) {
      this.denied++
      return false
    }
    this.#retries[this.#slot % slots] = (this.#retries[this.#slot % slots] as number) + 1
    this.#recentRetries++
    this.granted++
    return true
  }

  #advance(now: number): void {
    const slot = Math.floor(now / slotLength)
    if (slot <= this.#slot) return
    const steps = Math.min(slot - this.#slot, slots)
    for (let next = slot - steps + 1; next <= slot; next++) {
      // Requests leave when they may be older than the window, retries when they must be.
      const leaving = this.#at(next - window)
      this.#recentRequests -= this.#requests[leaving] as number
      this.#requests[leaving] = 0
      const oldest = this.#at(next)
      this.#recentRetries -= this.#retries[oldest] as number
      this.#retries[oldest] = 0
    }
    this.#slot = slot
  }

  #at(slot: number): number {
    return ((slot % slots) + slots) % slots
  }
}
