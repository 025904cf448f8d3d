import type { Policy } from '../core/balancing/policy.ts'
import type { Backend } from './backend.ts'

/** A named set of backends and the policy that prefers among them. */
export class Pool {
  readonly name: string
  readonly backends: readonly Backend[]
  readonly weights: readonly number[]
  readonly #policy: Policy
  readonly #eligible = (index: number): boolean => (this.backends[index] as Backend).state === 'active'

  constructor(name: string, backends: readonly Backend[], weights: readonly number[], policy: Policy) {
    this.name = name
    this.backends = backends
    this.weights = weights
    this.#policy = policy
  }

  /** The policy proposes, eligibility disposes: the next backend that was not tried yet, or null. */
  pick(tried: readonly Backend[] | null): Backend | null {
    const accept =
      tried === null
        ? this.#eligible
        : (index: number) => this.#eligible(index) && !tried.includes(this.backends[index] as Backend)
    const index = this.#policy.pick(accept)
    return index === -1 ? null : (this.backends[index] as Backend)
  }
}
