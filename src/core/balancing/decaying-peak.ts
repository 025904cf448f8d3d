/** Milliseconds in which an old observation loses 63 % of its say. */
const memory = 10_000

/**
 * How slow somebody has lately been: an average that follows every peak at once and forgets it slowly, by the
 * time that passed and not by the number of observations. The estimator of Finagle's and linkerd's Peak EWMA
 * (twitter/finagle, `PeakEwma.scala`).
 */
export class DecayingPeak {
  #value = 0
  #at = 0
  #known = false

  /** Whether anything was observed yet. */
  get known(): boolean {
    return this.#known
  }

  /** The estimate in milliseconds, decayed to `now`; 0 when nothing was observed. */
  at(now: number): number {
    return this.#value * Math.exp(-Math.max(0, now - this.#at) / memory)
  }

  /** @param now milliseconds of the same clock every time */
  observe(milliseconds: number, now: number): void {
    const weight = Math.exp(-Math.max(0, now - this.#at) / memory)
    const first = !this.#known
    this.#known = true
    this.#at = now
    if (first || milliseconds > this.#value) this.#value = milliseconds
    else this.#value = this.#value * weight + milliseconds * (1 - weight)
  }
}
