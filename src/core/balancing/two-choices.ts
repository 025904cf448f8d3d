import type { Policy, Random } from './policy.ts'
import { WeightedDraw } from './weighted-draw.ts'

/** After so many refusals there is hardly a second eligible backend worth looking for. */
const challengers = 16

/**
 * Two eligible backends at random, by weight, and of these the one that costs less; O(1). Two choices instead
 * of one shorten the longest queue exponentially (Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", IEEE TPDS 12(10), 2001), and unlike the best of all, the better of two does not draw every gateway
 * and every reconnecting client to the same backend.
 *
 * @param costOf what is compared; of equals the first draw stays, which keeps the shares of idle backends right
 */
export function twoChoices(
  weights: readonly number[],
  costOf: (index: number) => number,
  source: Random,
): Policy {
  return new TwoChoices(weights, costOf, source)
}

class TwoChoices implements Policy {
  readonly #draw: WeightedDraw
  readonly #costOf: (index: number) => number

  constructor(weights: readonly number[], costOf: (index: number) => number, source: Random) {
    this.#draw = new WeightedDraw(weights, source)
    this.#costOf = costOf
  }

  pick(accept: (index: number) => boolean): number {
    const draw = this.#draw
    draw.begin()
    let first = draw.next()
    while (first !== -1 && !accept(first)) first = draw.next()
    if (first === -1) return -1
    for (let asked = 0; asked < challengers; asked++) {
      const second = draw.next()
      if (second === -1) break
      if (accept(second)) return this.#costOf(second) < this.#costOf(first) ? second : first
    }
    return first
  }
}
