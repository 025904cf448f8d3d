import { mixBits } from '../../core/balancing/hash-text.ts'
import { mayEject } from '../../core/health/outlier.ts'
import { inPanic } from '../../core/health/panic.ts'
import type { Backend } from '../backend.ts'
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
  /** Active backends with a weight. */
  total = 0
  /** How many of them may get connections. */
  available = 0
  /** Fewer are available than `panic` asks for: all get connections. */
  panic = false
  readonly #rules: PoolHealthRules
  readonly #backends: readonly Backend[]
  readonly #members: readonly BackendHealth[]
  readonly #weighted: readonly Backend[]
  /** Whether the panic that was last told of goes on. */
  #told = false
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
   * @param backends in the order of the pool
   * @param weights of the same; those without weight, like those that are not active, count neither as well nor as
   * missing
   * @param now milliseconds of the clock in which `slowSince` is told
   */
  constructor(
    name: string,
    backends: readonly Backend[],
    weights: readonly number[],
    rules: PoolHealthRules,
    now: () => number,
  ) {
    this.name = name
    this.#backends = backends
    this.#members = backends.map(({ health }) => health)
    this.#weighted = backends.filter((_, index) => (weights[index] as number) > 0)
    this.#rules = rules
    this.#weights = weights
    this.#now = now
    this.#shares = this.shares()
    this.count()
  }

  /** Takes the place of another: what was told of that one need not be told again. */
  follow(before: PoolHealth): void {
    this.#told = before.#told
  }

  /** The growing shares of one policy of this pool. */
  shares(): GrowingShares {
    return new GrowingShares(this.#backends, this.#weights, this.#now)
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

  /** Whether this backend may be picked at times: now, or when slow start gives it a turn. */
  serves(index: number): boolean {
    return this.panic || (this.#members[index] as BackendHealth).available
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

  #getsTurn(index: number, member: BackendHealth): boolean {
    if (this.#affinity === 'hash') return fraction(this.#key, index) < shareOf(member, this.#now())
    return (this.#affinity === 'pin' && this.#key === index) || this.#shares.hasTurn(index)
  }
}

/** A number from 0 to below 1 for a key and a backend, the same each time. */
function fraction(key: number, index: number): number {
  return mixBits(key ^ Math.imul(index + 1, 0x9e3779b1)) / 2 ** 32
}
