import type { LoadOf, Policy } from './policy.ts'

/** How many of those who were refused last time are asked again at the next pick. */
const askedAgain = 4

/**
 * The backend that carries least for its weight; O(log n) for a pick and for every change of a load, by a
 * tournament of all backends of which only the matches of whoever changed are played again.
 *
 * Among equals, in an idle pool that is everybody, weighted turns are taken in virtual time (the start tags of
 * Goyal, Vin and Cheng, "Start-time Fair Queuing", SIGCOMM 1996), so short requests follow the weights, too.
 * Whoever was away gets one turn soon, and does not catch up.
 *
 * A dead backend carries nothing, so it would win every tournament. Therefore whoever is refused sits out, and of
 * those who sit out only a few are asked again at each pick, in turn: one that is eligible again is noticed at
 * once when few are out, and within a quarter as many picks as are out otherwise.
 *
 * @param start whose turn is first among equals, from 0 to below 1; random, so that gateways that start together
 *   do not all choose the same backend
 */
export function leastConnections(weights: readonly number[], loadOf: LoadOf, start = 0): LeastConnections {
  return new LeastConnections(weights, loadOf, start)
}

class LeastConnections implements Policy {
  readonly #weights: Float64Array
  readonly #loadOf: LoadOf
  /** Load for the weight. */
  readonly #load: Float64Array
  /** When each one's next turn among equals is, in virtual time. */
  readonly #turn: Float64Array
  /** The winner of each match, -1 for none; the children of `node` are `2 * node` and `2 * node + 1`. */
  readonly #winners: Int32Array
  readonly #leaves: number
  /** Who sits out because it was refused; the first `#outCount` are. */
  readonly #out: Int32Array
  readonly #isOut: Uint8Array
  #outCount = 0
  /** Who of `#out` is asked next. */
  #nextOut = 0
  /** Virtual time: the latest turn that was taken. */
  #now = 0

  constructor(weights: readonly number[], loadOf: LoadOf, start: number) {
    const count = weights.length
    this.#weights = Float64Array.from(weights)
    this.#loadOf = loadOf
    this.#load = Float64Array.from(weights, (weight, index) => loadOf(index) / weight)
    const shift = Math.floor(start * count)
    // Less than any real turn is long (weights are at most 256, pools at most 10,000): only the order counts.
    this.#turn = Float64Array.from(weights, (_, index) => ((index + count - shift) % count) * 1e-9)
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, count)))
    this.#winners = new Int32Array(2 * this.#leaves).fill(-1)
    this.#out = new Int32Array(count)
    this.#isOut = new Uint8Array(count)
    for (const [index, weight] of weights.entries()) {
      if (weight > 0) this.#winners[this.#leaves + index] = index
    }
    for (let node = this.#leaves - 1; node > 0; node--) this.#play(node)
  }

  pick(accept: (index: number) => boolean): number {
    this.#askAgain(accept, askedAgain)
    let index = this.#best(accept)
    if (index === -1) {
      this.#askAgain(accept, this.#outCount)
      index = this.#best(accept)
    }
    if (index === -1) return -1
    this.#now = Math.max(this.#now, this.#turn[index] as number)
    this.#turn[index] = this.#now + 1 / (this.#weights[index] as number)
    this.#enter(index, index)
    return index
  }

  loadChanged(index: number): void {
    const weight = this.#weights[index] as number
    if (weight === 0) return
    this.#load[index] = this.#loadOf(index) / weight
    if (this.#isOut[index] === 0) this.#enter(index, index)
  }

  /** The winner who is eligible; -1 when all sit out. */
  #best(accept: (index: number) => boolean): number {
    for (;;) {
      const index = this.#winners[1] as number
      if (index === -1 || accept(index)) return index
      this.#out[this.#outCount++] = index
      this.#isOut[index] = 1
      this.#enter(index, -1)
    }
  }

  /** Lets those back in who are eligible, of up to so many who sit out. */
  #askAgain(accept: (index: number) => boolean, count: number): void {
    for (let asked = Math.min(count, this.#outCount); asked > 0; asked--) {
      if (this.#nextOut >= this.#outCount) this.#nextOut = 0
      const index = this.#out[this.#nextOut] as number
      if (!accept(index)) {
        this.#nextOut++
        continue
      }
      this.#out[this.#nextOut] = this.#out[--this.#outCount] as number
      this.#isOut[index] = 0
      this.#enter(index, index)
    }
  }

  /** Puts `index` or -1 in the place of `index`, and plays its matches again. */
  #enter(index: number, entry: number): void {
    let node = this.#leaves + index
    this.#winners[node] = entry
    for (node >>= 1; node > 0; node >>= 1) this.#play(node)
  }

  #play(node: number): void {
    const a = this.#winners[2 * node] as number
    const b = this.#winners[2 * node + 1] as number
    this.#winners[node] = a === -1 || (b !== -1 && this.#before(b, a)) ? b : a
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#load[a] as number) - (this.#load[b] as number)
    return difference < 0 || (difference === 0 && (this.#turn[a] as number) < (this.#turn[b] as number))
  }
}
