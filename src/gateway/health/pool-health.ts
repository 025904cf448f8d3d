import { mayEject } from '../../core/health/outlier.ts'
import { inPanic } from '../../core/health/panic.ts'
import { slowStartFactor } from '../../core/health/slow-start.ts'
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
  /** Backends with a weight. */
  readonly total: number
  /** How many of them may get connections. */
  available: number
  /** Fewer are available than `panic` asks for: all get connections. */
  panic = false
  readonly #rules: PoolHealthRules
  readonly #members: readonly BackendHealth[]
  readonly #counted: readonly BackendHealth[]
  readonly #now: () => number
  readonly #random: () => number
  /** The random number of this pick, 32 bits; -1 before it was needed. */
  #draw = -1
  #relaxed = false

  /**
   * @param members in the order of the pool's backends
   * @param weights of the same; those without weight count neither as well nor as missing
   * @param now milliseconds of the clock in which `slowSince` is told
   * @param random from 0 to below 1
   */
  constructor(
    name: string,
    members: readonly BackendHealth[],
    weights: readonly number[],
    rules: PoolHealthRules,
    now: () => number,
    random: () => number = Math.random,
  ) {
    this.name = name
    this.#members = members
    this.#counted = members.filter((_, index) => (weights[index] as number) > 0)
    this.total = this.#counted.length
    this.available = this.total
    this.#rules = rules
    this.#now = now
    this.#random = random
    this.recount()
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
    for (const { ejectedUntil } of this.#counted) if (ejectedUntil !== null) ejected++
    return mayEject(ejected, this.total, this.#rules.ejection.maxShare)
  }

  /** Counts again after somebody's health has changed; true when that started or ended a panic. */
  recount(): boolean {
    let available = 0
    for (const member of this.#counted) if (member.available) available++
    this.available = available
    const before = this.panic
    this.panic = inPanic(available, this.total, this.#rules.panic)
    return this.panic !== before
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
