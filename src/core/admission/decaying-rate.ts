/** How often something happens lately, with an exponentially fading memory. Has no clock of its own. */
export class DecayingRate {
  readonly #memory: number
  #count = 0
  #at = Number.NEGATIVE_INFINITY

  /** @param memory milliseconds after which what happened counts for 1/e of it */
  constructor(memory: number) {
    this.#memory = memory
  }

  /** It happens. */
  count(now: number): void {
    this.#fade(now)
    this.#count++
  }

  /** Times per second. */
  perSecond(now: number): number {
    this.#fade(now)
    return (this.#count * 1000) / this.#memory
  }

  #fade(now: number): void {
    const passed = now - this.#at
    if (!(passed > 0)) return
    this.#count *= Math.exp(-passed / this.#memory)
    this.#at = now
  }
}
