import type { Policy } from '../core/balancing/policy.ts'
import type { Backend } from './backend.ts'
import type { PoolHealth } from './health/pool-health.ts'

/** A named set of backends and the policy that prefers among them. */
export class Pool {
  readonly name: string
  readonly backends: readonly Backend[]
  readonly weights: readonly number[]
  readonly health: PoolHealth
  readonly #policy: Policy
  /** What this pick has tried already. */
  #tried: readonly Backend[] | null = null
  // Made once: a pick allocates nothing.
  readonly #accept = (index: number): boolean =>
    this.health.accepts(index) && this.#tried?.includes(this.backends[index] as Backend) !== true

  constructor(
    name: string,
    backends: readonly Backend[],
    weights: readonly number[],
    policy: Policy,
    health: PoolHealth,
  ) {
    this.name = name
    this.backends = backends
    this.weights = weights
    this.health = health
    this.#policy = policy
  }

  /** The policy proposes, eligibility disposes: the next backend that may serve and was not tried yet, or null. */
  pick(tried: readonly Backend[] | null): Backend | null {
    this.#tried = tried
    this.health.begin()
    let index = this.#policy.pick(this.#accept)
    if (index === -1 && this.health.relax()) index = this.#policy.pick(this.#accept)
    this.#tried = null
    return index === -1 ? null : (this.backends[index] as Backend)
  }
}
