import { IndexHeap } from './index-heap.ts'
import type { Policy } from './policy.ts'

/** A round robin tells where it stands, so that its successor can go on from there. */
export interface RoundRobin extends Policy {
  /** How much of the present round is done, from 0 to below 1: the `start` of a successor. */
  readonly position: number
}

/**
 * Smooth weighted round robin: out of as many picks as the sum of the weights, every backend gets its weight,
 * evenly spread, in whichever window one counts. Equal weights make plain rotation.
 *
 * Refused backends lose their turn and nobody else is affected: the others follow each other as if the refused
 * one did not exist, and when it returns it gets its share from then on, without catching up.
 *
 * @param weights whole numbers, 0 for backends that get nothing
 * @param start where in the round to begin, from 0 to below 1; random, it keeps gateways that start together
 *   from all choosing the same backend first
 */
export function roundRobin(weights: readonly number[], start = 0): RoundRobin {
  const members = [...weights.keys()].filter((index) => (weights[index] as number) > 0)
  const order = Int32Array.from(members)
  const equal = order.every((index) => weights[index] === weights[order[0] as number])
  return equal ? new Rotation(order, start) : new WeightedRounds(weights, order, start)
}

/** For equal weights. */
class Rotation implements RoundRobin {
  readonly #members: Int32Array
  #next: number

  constructor(members: Int32Array, start: number) {
    this.#members = members
    this.#next = Math.floor(start * members.length)
  }

  get position(): number {
    // The middle of the member's share, which survives rounding.
    return this.#members.length === 0 ? 0 : (this.#next + 0.5) / this.#members.length
  }

  pick(accept: (index: number) => boolean): number {
    const members = this.#members
    const count = members.length
    let next = this.#next
    for (let refused = 0; refused < count; refused++) {
      const index = members[next] as number
      if (++next === count) next = 0
      if (accept(index)) {
        this.#next = next
        return index
      }
    }
    return -1
  }
}

/**
 * For unequal weights: stride scheduling (Waldspurger and Weihl, "Stride Scheduling: Deterministic
 * Proportional-Share Resource Management", MIT/LCS/TM-528, 1995) with a heap, so a pick is O(log n). nginx's
 * smooth weighted round robin is O(n).
 *
 * A round takes one unit of virtual time. A backend of weight w has w turns in it, 1/w apart, the first within
 * the first 1/w. Backends of the same weight share that stretch out evenly, otherwise they would come in
 * clusters. All turns lie strictly inside the round, so all rounds are alike, which makes every window exact.
 * The time of a turn is computed from its number and never added up, so nothing drifts.
 */
class WeightedRounds implements RoundRobin {
  /** Weights in lowest terms. */
  readonly #weights: Float64Array
  /** How far into its first stretch of 1/w a backend has its turns; between 0 and 1. */
  readonly #phase: Float64Array
  /** Everybody with a weight, by the time of the first turn. */
  readonly #order: Int32Array
  /** Number of each backend's next turn in this round; its weight when it has had all. */
  readonly #turn: Int32Array
  /** Who has a turn left in this round, by its time. */
  readonly #waiting: IndexHeap
  /** Who was refused within this pick. */
  readonly #refused: Int32Array
  /** Time of the last turn that was taken. */
  #now: number

  constructor(weights: readonly number[], members: Int32Array, start: number) {
    const divisor = weights.reduce(greatestCommonDivisor, 0)
    this.#weights = Float64Array.from(weights, (weight) => weight / divisor)
    this.#phase = spreadEqualWeights(weights, members)
    this.#order = members.sort((a, b) => this.#timeOf(a, 0) - this.#timeOf(b, 0) || a - b)
    this.#turn = new Int32Array(weights.length)
    this.#waiting = new IndexHeap(weights.length)
    this.#refused = new Int32Array(members.length)
    this.#now = start
    for (const index of this.#order) this.#enter(index, Number.POSITIVE_INFINITY)
  }

  get position(): number {
    return this.#now
  }

  pick(accept: (index: number) => boolean): number {
    const waiting = this.#waiting
    let refused = 0
    try {
      while (waiting.size > 0) {
        const index = waiting.first
        if (accept(index)) {
          this.#takeTurn(index)
          for (; refused > 0; refused--) this.#enter(this.#refused[refused - 1] as number, index)
          return index
        }
        waiting.shift()
        this.#refused[refused++] = index
      }
      const index = this.#firstOfNextRound(accept)
      if (index !== -1) {
        refused = 0
        this.#startRound(index)
      }
      return index
    } finally {
      // Nobody was accepted: all keep their turns.
      for (; refused > 0; refused--) this.#wait(this.#refused[refused - 1] as number)
    }
  }

  #takeTurn(index: number): void {
    this.#now = this.#waiting.firstKey
    const turn = (this.#turn[index] as number) + 1
    this.#turn[index] = turn
    if (turn < (this.#weights[index] as number)) this.#waiting.rekeyFirst(this.#timeOf(index, turn))
    else this.#waiting.shift()
  }

  /** Asks those who have had all their turns in this round, and so were not asked yet. */
  #firstOfNextRound(accept: (index: number) => boolean): number {
    for (const index of this.#order) {
      if (this.#turn[index] === this.#weights[index] && accept(index)) return index
    }
    return -1
  }

  /** Starts the next round with the first turn of `picked`. */
  #startRound(picked: number): void {
    this.#now = this.#timeOf(picked, 0)
    for (const index of this.#order) this.#enter(index, picked)
  }

  /** Has a backend wait for its first turn after the one of `picked`, which was now: earlier ones are lost. */
  #enter(index: number, picked: number): void {
    const now = this.#now
    // Just before the turn that is sought, also when the product was rounded.
    let turn = Math.floor(now * (this.#weights[index] as number) - (this.#phase[index] as number)) - 1
    for (;;) {
      const time = this.#timeOf(index, turn)
      if (time > now || (time === now && index > picked)) break
      turn++
    }
    this.#turn[index] = turn
    this.#wait(index)
  }

  #wait(index: number): void {
    const turn = this.#turn[index] as number
    if (turn < (this.#weights[index] as number)) this.#waiting.push(index, this.#timeOf(index, turn))
  }

  #timeOf(index: number, turn: number): number {
    return (turn + (this.#phase[index] as number)) / (this.#weights[index] as number)
  }
}

/** The j-th of m backends of one weight gets (j + 1/2) / m. */
function spreadEqualWeights(weights: readonly number[], members: Int32Array): Float64Array {
  const total = new Map<number, number>()
  const seen = new Map<number, number>()
  const phase = new Float64Array(weights.length)
  for (const index of members) {
    const weight = weights[index] as number
    total.set(weight, (total.get(weight) ?? 0) + 1)
  }
  for (const index of members) {
    const weight = weights[index] as number
    const before = seen.get(weight) ?? 0
    seen.set(weight, before + 1)
    phase[index] = (before + 0.5) / (total.get(weight) as number)
  }
  return phase
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
