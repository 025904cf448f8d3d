import type { Policy } from '../core/balancing/policy.ts'
import type { RetryBudget } from '../core/retry-budget.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { Backend } from './backend.ts'
import type { Chooser } from './chooser.ts'
import type { Peer } from './forwarding.ts'
import type { PoolHealth } from './health/pool-health.ts'
import type { RetryRules } from './retry-options.ts'

/** How often a pool tries again. */
export interface PoolRetries {
  readonly rules: RetryRules
  /** Shared with every pool of the same name, before and after. */
  readonly budget: RetryBudget
}

/** A named set of backends and the policy that prefers among them. */
export class Pool {
  readonly name: string
  readonly backends: readonly Backend[]
  readonly weights: readonly number[]
  readonly health: PoolHealth
  readonly retries: PoolRetries
  readonly #chooser: Chooser
  /** What this pick has tried already. */
  #tried: readonly Backend[] | null = null
  // Made once: a pick allocates nothing. A panic overrides health, never what the operator says.
  readonly #accept = (index: number): boolean => {
    const backend = this.backends[index] as Backend
    return backend.serves && this.health.accepts(index) && this.#tried?.includes(backend) !== true
  }

  /** Listens to the loads of its backends until `retire`. */
  constructor(
    name: string,
    backends: readonly Backend[],
    weights: readonly number[],
    chooser: Chooser,
    health: PoolHealth,
    retries: PoolRetries,
  ) {
    this.name = name
    this.backends = backends
    this.weights = weights
    this.#chooser = chooser
    this.health = health
    this.retries = retries
    for (const policy of this.#policies()) {
      if (policy.loadChanged === undefined) continue
      for (const [index, backend] of backends.entries()) backend.watch(policy, index)
    }
  }

  /** Nobody picks from it any more: its backends, which may live on in other pools, forget it. */
  retire(): void {
    for (const policy of this.#policies()) for (const backend of this.backends) backend.unwatch(policy)
  }

  /** Begins to choose a backend for one request. */
  select(head: RequestHead, peer: Peer, upgrade: boolean): Selection {
    const { forUpgrades, forRequests, keyOf } = this.#chooser
    return new Selection(this, upgrade ? forUpgrades : forRequests, keyOf(head, peer))
  }

  /** The policy proposes, eligibility disposes: the next backend that may serve and was not tried yet, or null. */
  pick(policy: Policy, key: number, tried: readonly Backend[] | null): Backend | null {
    this.#tried = tried
    this.health.begin()
    let index = policy.pick(this.#accept, key)
    if (index === -1 && this.health.relax()) index = policy.pick(this.#accept, key)
    this.#tried = null
    return index === -1 ? null : (this.backends[index] as Backend)
  }

  /** Whether somebody else could take what this backend gets here; true when it gets nothing. */
  canSpare(backend: Backend): boolean {
    const { backends, weights } = this
    const at = backends.indexOf(backend)
    if (at === -1 || weights[at] === 0) return true
    return backends.some((other, index) => {
      return index !== at && weights[index] !== 0 && other.state === 'active' && other.health.available
    })
  }

  /** The field that pins a client to the backend that answered it; `''` when it is, or nobody is. */
  pinField(selection: Selection, backend: Backend, secure: boolean): string {
    const { cookie } = this.#chooser
    if (cookie === null || this.backends[selection.key] === backend) return ''
    return cookie.field(this.backends.indexOf(backend), secure)
  }

  #policies(): Set<Policy> {
    return new Set([this.#chooser.forRequests, this.#chooser.forUpgrades])
  }
}

/** The choice of a backend for one request, and of others when that one fails. */
export class Selection {
  readonly pool: Pool
  readonly key: number
  readonly #policy: Policy
  #first: Backend | null = null
  /** All that were chosen; made for the second one, which most requests never need. */
  #tried: Backend[] | null = null
  /** Until when another backend may be tried, and connects may take; set by `first`. */
  deadline = 0

  constructor(pool: Pool, policy: Policy, key: number) {
    this.pool = pool
    this.key = key
    this.#policy = policy
  }

  /** Backends that were chosen so far. */
  get attempts(): number {
    if (this.#tried !== null) return this.#tried.length
    return this.#first === null ? 0 : 1
  }

  /** The backend that is preferred, or null when none may serve. */
  first(now: number): Backend | null {
    const { rules, budget } = this.pool.retries
    budget.request(now)
    this.deadline = now + rules.total
    this.#first = this.pool.pick(this.#policy, this.key, null)
    return this.#first
  }

  /**
   * Another backend, after those before have failed; null when that is enough: none is left, there were enough
   * attempts, time is over, or the pool's budget for retries is spent.
   */
  another(now: number): Backend | null {
    const { rules, budget } = this.pool.retries
    if (this.#first === null || this.attempts > rules.attempts || now >= this.deadline) return null
    const tried = this.#tried ?? [this.#first]
    const next = this.pool.pick(this.#policy, this.key, tried)
    if (next === null || !budget.take(now, rules)) return null
    tried.push(next)
    this.#tried = tried
    return next
  }
}
