/** How many in which time. */
export interface RateRule {
  /** Sustained, above 0; may be a fraction. */
  readonly perSecond: number
  /** How many at once after a pause, 1 or more. */
  readonly burst: number
}

/**
 * Lets at most `burst + perSecond * t` pass in any t seconds: a token bucket in the form of the generic cell rate
 * algorithm (ITU-T I.371), whose whole state is one moment. Has no clock of its own: `now` is in milliseconds of any
 * clock. One that jumps ahead gives a full bucket at most, one that jumps back makes nobody wait for longer than one
 * token takes.
 */
export class TokenBucket {
  #rule: RateRule
  /** Milliseconds that one token takes. */
  #interval = 0
  /** The same for all but one of a full bucket. */
  #slack = 0
  /** When the bucket is full again. */
  #fullAt = Number.NEGATIVE_INFINITY

  constructor(rule: RateRule) {
    this.#rule = rule
    this.#derive()
  }

  get rule(): RateRule {
    return this.#rule
  }

  /** Goes by another rule from now on; what was taken before still counts, up to one whole bucket. */
  set rule(rule: RateRule) {
    this.#rule = rule
    this.#derive()
  }

  /** Milliseconds until there is a token; 0 when there is one. */
  wait(now: number): number {
    const ahead = this.#fullAt - now
    if (ahead <= this.#slack) return 0
    // More than a bucket cannot be missing: the clock was set back, or the rule has become smaller.
    return Math.min(ahead - this.#slack, this.#interval)
  }

  /** Takes a token; false, and nothing is taken, when there is none. */
  take(now: number): boolean {
    if (this.wait(now) > 0) {
      // Else a clock that was set back far would have to come all the way again.
      this.#fullAt = Math.min(this.#fullAt, now + this.#slack + this.#interval)
      return false
    }
    this.#fullAt = Math.max(this.#fullAt, now) + this.#interval
    return true
  }

  /** Whether it is as good as new. */
  full(now: number): boolean {
    return this.#fullAt <= now
  }

  #derive(): void {
    this.#interval = 1000 / this.#rule.perSecond
    this.#slack = (this.#rule.burst - 1) * this.#interval
  }
}
