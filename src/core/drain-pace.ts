/**
 * How many may go when, so that all are gone evenly over a window. Whoever leaves by itself slows the rest down:
 * what is left is always spread over what is left of the window. Has no clock of its own.
 */
export class DrainPace {
  readonly #end: number
  readonly #least: number
  #last: number
  /** Part of the next one whose turn has come already; below 1. */
  #credit = 0

  /**
   * @param now the present, in milliseconds of any clock that does not run backwards
   * @param over length of the window in milliseconds
   * @param least how many may go per second at any rate, so that a few do not take the whole window. @default 0
   */
  constructor(now: number, over: number, least = 0) {
    this.#last = now
    this.#end = now + over
    this.#least = least / 1000
  }

  /**
   * How many go now.
   * @param left how many there are, those that go now included; all of them go once the window is over
   */
  due(now: number, left: number): number {
    if (now >= this.#end) return left
    const owed = Math.min(this.#credit, left)
    const rate = Math.max((left - owed) / (this.#end - this.#last), this.#least)
    const credit = Math.min(owed + rate * (now - this.#last), left)
    this.#last = now
    // Sums of fractions may fall short of the whole number they stand for.
    const count = Math.min(Math.floor(credit + 1e-9), left)
    this.#credit = Math.max(credit - count, 0)
    return count
  }
}
