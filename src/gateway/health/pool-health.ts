import { mayEject } from '../../core/health/outlier.ts'
import { inPanic } from '../../core/health/panic.ts'
import { slowStartFactor } from '../../core/health/slow-start.ts'
import type { Backend } from '../backend.ts'
import type { BackendHealth } from './backend-health.ts'

export interface PoolHealthRules {
  /** Percent of the backends that have to be available, or health is ignored. */
  readonly panic: number
  readonly ejection: { readonly maxShare: number }
}

/**
 * Who of a pool may be picked, as far as health decides it. What is asked for each pick reads a few fields and
 * allocates nothing; counting is done when somebody's health has changed.
 *
 * Slow start refuses a growing backend in as many picks as it misses of its share, as if it had less weight. The
 * answers of one pick come from one random number, so that a policy which asks twice gets the same answer twice.
 */
export class PoolHealth {
  readonly name: string
  /** Active backends with a weight. */
  total = 0
  /** How many of them may get connections. */
  available = 0
  /** Fewer are available than `panic` asks for: all get connections. */
  panic = false
  readonly #rules: PoolHealthRules
  readonly #members: readonly BackendHealth[]
  readonly #weighted: readonly Backend[]
  /** Whether the panic that was last told of goes on. */
  #told = false
  readonly #now: () => number
  readonly #random: () => number
  /** The random number of this pick, 32 bits; -1 before it was needed. */
  #draw = -1
  #relaxed = false

  /**
   * @param backends in the order of the pool
   * @param weights of the same; those without weight, like those that are not active, count neither as well nor as
   * missing
   * @param now milliseconds of the clock in which `slowSince` is told
   * @param random from 0 to below 1
   */
  constructor(
    name: string,
    backends: readonly Backend[],
    weights: readonly number[],
    rules: PoolHealthRules,
    now: () => number,
    random: () => number = Math.random,
  ) {
    this.name = name
    this.#members = backends.map(({ health }) => health)
    this.#weighted = backends.filter((_, index) => (weights[index] as number) > 0)
    this.#rules = rules
    this.#now = now
    this.#random = random
    this.count()
  }

  /** Takes the place of another: what was told of that one need not be told again. */
  follow(before: PoolHealth): void {
    this.#told = before.#told
  }

  /** Begins a pick. */
  begin(): void {
    this.#draw = -1
    this.#relaxed = false
  }

  /** Whether this backend may be picked at times: now, or when slow start gives it a turn. */
  serves(index: number): boolean {
    return this.panic || (this.#members[index] as BackendHealth).available
  }

  /** Whether this backend may be picked; the same answer throughout a pick. */
  accepts(index: number): boolean {
    if (this.panic) return true
    const member = this.#members[index] as BackendHealth
    if (!member.available) return false
    return member.slowSince === null || this.#relaxed || this.#getsTurn(index, member, member.slowSince)
  }

  /**
   * Goes on with a pick in which nobody was accepted. True when somebody was refused only because its share is
   * still growing: that is better than nobody, and now it is accepted.
   */
  relax(): boolean {
    if (this.#draw === -1 || this.#relaxed) return false
    this.#relaxed = true
    return true
  }

  /** Whether the pool can spare one more backend. */
  get maySpareOne(): boolean {
    let ejected = 0
    for (const { state, health } of this.#weighted) {
      if (state === 'active' && health.ejectedUntil !== null) ejected++
    }
    return mayEject(ejected, this.total, this.#rules.ejection.maxShare)
  }

  /** Counts again after somebody's health or state has changed. */
  count(): void {
    this.total = 0
    this.available = 0
    for (const { state, health } of this.#weighted) {
      if (state !== 'active') continue
      this.total++
      if (health.available) this.available++
    }
    this.panic = inPanic(this.available, this.total, this.#rules.panic)
  }

  /** The same; true when a panic began or ended that nobody was told of yet. */
  recount(): boolean {
    this.count()
    if (this.panic === this.#told) return false
    this.#told = this.panic
    return true
  }

  #getsTurn(index: number, member: BackendHealth, since: number): boolean {
    if (member.rules === null) return true
    const factor = slowStartFactor(this.#now(), since, member.rules.slowStart)
    if (factor >= 1) {
      member.slowSince = null
      return true
    }
    if (this.#draw === -1) this.#draw = Math.floor(this.#random() * 2 ** 32)
    return fraction(this.#draw, index) < factor
  }
}

/**
 * A number from 0 to below 1 for each backend in each pick (the finalizer of MurmurHash3). With the same number
 * for all, all that are growing would be refused together, and the few that are not would get everything.
 */
function fraction(draw: number, index: number): number {
  let hash = draw ^ Math.imul(index + 1, 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
