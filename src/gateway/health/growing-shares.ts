import { slowStartFactor } from '../../core/health/slow-start.ts'
import type { Backend } from '../backend.ts'
import type { BackendHealth } from './backend-health.ts'

/** Milliseconds for which the sum of the shares is believed. */
const staleAfter = 100

/** Most turns that are saved up: enough for a policy that asks now and then, too few for a burst. */
const mostTurns = 8

/** A turn, less what a sum of fractions may fall short of it. */
const oneTurn = 1 - 1e-6

/**
 * The turns of backends whose share of a pool still grows: each gets as much of the picks of a policy as if its
 * weight were that much less. To refuse it in so many of the picks in which it is asked would not do that: a policy
 * that looks at loads asks for an empty backend first, each time.
 */
export class GrowingShares {
  readonly #backends: readonly Backend[]
  readonly #weights: Float64Array
  readonly #now: () => number
  /** Turns saved up, the pick up to which they were counted, and since when the share grows that they are of. */
  readonly #turns: Float64Array
  readonly #countedTo: Float64Array
  readonly #since: Float64Array
  #picks = 0
  /** Sum of the weights of those who may get connections, as far as they have grown. */
  #sum = 0
  /** The largest of these shares, up to 1: whoever has as much is behind nobody. */
  #largest = 1
  #summedAt = Number.NEGATIVE_INFINITY

  /** @param now milliseconds of the clock in which `slowSince` is told */
  constructor(backends: readonly Backend[], weights: readonly number[], now: () => number) {
    this.#backends = backends
    this.#weights = Float64Array.from(weights)
    this.#now = now
    this.#turns = new Float64Array(weights.length)
    this.#countedTo = new Float64Array(weights.length)
    this.#since = new Float64Array(weights.length).fill(Number.NaN)
  }

  /** Whether it is its turn. Only a question, and the same answer until somebody is picked: `picked` takes the turn. */
  hasTurn(index: number): boolean {
    const member = (this.#backends[index] as Backend).health
    const now = this.#now()
    const factor = shareOf(member, now)
    const sum = this.#sumAt(now)
    if (factor >= this.#largest) return true
    let turns = this.#turns[index] as number
    if (this.#since[index] === member.slowSince) {
      const picks = this.#picks - (this.#countedTo[index] as number)
      if (picks > 0) turns += (picks * factor * (this.#weights[index] as number)) / sum
    } else {
      // Its first turn is now: who can only be warmed by requests must not wait for them.
      this.#since[index] = member.slowSince as number
      turns = 1
    }
    this.#turns[index] = Math.min(turns, mostTurns)
    this.#countedTo[index] = this.#picks
    return turns >= oneTurn
  }

  /** It was picked. */
  picked(index: number): void {
    this.#picks++
    const turns = this.#turns[index] as number
    if (turns > 0) this.#turns[index] = Math.max(0, turns - 1)
  }

  /** Counted anew now and then only: it is asked for in each pick while somebody grows. */
  #sumAt(now: number): number {
    if (now - this.#summedAt < staleAfter) return this.#sum
    this.#summedAt = now
    this.#sum = 0
    this.#largest = 0
    for (let i = 0; i < this.#backends.length; i++) {
      const { state, health } = this.#backends[i] as Backend
      const weight = this.#weights[i] as number
      if (state !== 'active' || !health.available || weight === 0) continue
      const share = shareOf(health, now)
      this.#sum += weight * share
      this.#largest = Math.max(this.#largest, share)
    }
    return this.#sum
  }
}

/** How much of its share a backend has, up to 1. */
export function shareOf({ slowSince, rules }: BackendHealth, now: number): number {
  return slowSince === null || rules === null ? 1 : slowStartFactor(now, slowSince, rules.slowStart)
}
