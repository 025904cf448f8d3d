import { mixBits } from '../../core/balancing/hash-text.ts'
import { mayEject } from '../../core/health/outlier.ts'
import { inPanic } from '../../core/health/panic.ts'
import type { BackendHealth } from './backend-health.ts'
import { GrowingShares, shareOf } from './growing-shares.ts'

export interface PoolHealthRules {
  /** Percent of the backends that have to be available, or health is ignored. */
  readonly panic: number
  readonly ejection: { readonly maxShare: number }
}

/** What a key says about the backend of its request. */
export type Affinity =
  /** Nothing. */
  | 'none'
  /** It is the index of the backend to which the client is pinned; -1 for nobody. */
  | 'pin'
  /** It is a hash, by which a policy prefers. */
  | 'hash'

/**
 * Who of a pool may be picked, as far as health decides it. What is asked for each pick reads a few fields and
 * allocates nothing; counting is done when somebody's health has changed.
 *
 * Slow start lets a growing backend have its turns and no more. With a hash it has part of its keys instead, more
 * and more of them and always the same, and who is pinned to it comes in any case: affinity is not to be broken for
 * a share. A policy that asks twice within a pick gets the same answer twice.
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
  readonly #weights: readonly number[]
  readonly #now: () => number
  /** Of the pick under way. */
  #shares: GrowingShares
  #affinity: Affinity = 'none'
  #key = 0
  /** Whether somebody was refused only because its share is still growing. */
  #heldBack = false
  #relaxed = false

  /**
   * @param members in the order of the pool's backends
   * @param weights of the same; those without weight count neither as well nor as missing
   * @param now milliseconds of the clock in which `slowSince` is told
   */
  constructor(
    name: string,
    members: readonly BackendHealth[],
    weights: readonly number[],
    rules: PoolHealthRules,
    now: () => number,
  ) {
    this.name = name
    this.#members = members
    this.#counted = members.filter((_, index) => (weights[index] as number) > 0)
    this.total = this.#counted.length
    this.available = this.total
    this.#rules = rules
    this.#weights = weights
    this.#now = now
    this.#shares = this.shares()
    this.recount()
  }

  /** The growing shares of one policy of this pool. */
  shares(): GrowingShares {
    return new GrowingShares(this.#members, this.#weights, this.#now)
  }

  /**
   * Begins a pick.
   * @param shares of its policy
   */
  begin(shares: GrowingShares, affinity: Affinity, key: number): void {
    this.#shares = shares
    this.#affinity = affinity
    this.#key = key
    this.#heldBack = false
    this.#relaxed = false
  }

  /** Whether this backend may be picked; the same answer throughout a pick. */
  accepts(index: number): boolean {
    if (this.panic) return true
    const member = this.#members[index] as BackendHealth
    if (!member.available) return false
    if (member.slowSince === null || this.#relaxed || this.#getsTurn(index, member)) return true
    this.#heldBack = true
    return false
  }

  /**
   * Goes on with a pick in which nobody was accepted. True when somebody was refused only because its share is
   * still growing: that is better than nobody, and now it is accepted.
   */
  relax(): boolean {
    if (!this.#heldBack || this.#relaxed) return false
    this.#relaxed = true
    return true
  }

  /** Ends a pick in which this one was picked. */
  picked(index: number): void {
    if (this.#affinity !== 'pin' || this.#key !== index) this.#shares.picked(index)
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

  #getsTurn(index: number, member: BackendHealth): boolean {
    if (this.#affinity === 'hash') return fraction(this.#key, index) < shareOf(member, this.#now())
    return (this.#affinity === 'pin' && this.#key === index) || this.#shares.hasTurn(index)
  }
}

/** A number from 0 to below 1 for a key and a backend, the same each time. */
function fraction(key: number, index: number): number {
  return mixBits(key ^ Math.imul(index + 1, 0x9e3779b1)) / 2 ** 32
}
