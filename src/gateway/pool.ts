import type { Policy } from '../core/balancing/policy.ts'
import type { RetryBudget } from '../core/retry-budget.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { Backend } from './backend.ts'
import type { Chooser } from './chooser.ts'
import type { Peer } from './forwarding.ts'
import type { GrowingShares } from './health/growing-shares.ts'
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
  readonly #shares: ReadonlyMap<Policy, GrowingShares>
  /** What this pick has tried already. */
  #tried: readonly Backend[] | null = null
  /** When the first of those that have no room now may have some, in milliseconds; -1: all have room. */
  #room = -1
  /** The moment of the pick, so that a question has the same answer throughout. */
  #now = 0
  // Made once: a pick allocates nothing. A panic overrides health, never what the operator says.
  readonly #accept = (index: number): boolean => {
    const backend = this.backends[index] as Backend
    return backend.serves && this.health.accepts(index) && this.#tried?.includes(backend) !== true
  }
  readonly #acceptUpgrade = (index: number): boolean => {
    const backend = this.backends[index] as Backend
    if (!backend.serves || this.#tried?.includes(backend) === true) return false
    const wait = backend.seats.wait(this.#now)
    if (wait === 0) return this.health.accepts(index)
    if (this.health.serves(index) && !(this.#room >= 0 && this.#room <= wait)) this.#room = wait
    return false
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
    this.#shares = new Map([...this.#policies()].map((policy) => [policy, health.shares()]))
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
    return new Selection(this, upgrade ? forUpgrades : forRequests, keyOf(head, peer), upgrade)
  }

  /** The policy proposes, eligibility disposes: the next backend that may serve and was not tried yet, or null. */
  pick(policy: Policy, key: number, tried: readonly Backend[] | null): Backend | null {
    const { health } = this
    this.#tried = tried
    health.begin(this.#shares.get(policy) as GrowingShares, this.#chooser.affinity, key)
    let index = policy.pick(this.#accept, key)
    if (index === -1 && health.relax()) index = policy.pick(this.#accept, key)
    this.#tried = null
    if (index === -1) return null
    health.picked(index)
    return this.backends[index] as Backend
  }

  /**
   * The same for an upgrade, for which the backend must have a seat and a token of its rate.
   * @returns milliseconds until one of those that could serve it may have room, Infinity for when a seat is freed,
   *   if there are any; null if there are none
   */
  pickSeat(
    policy: Policy,
    key: number,
    tried: readonly Backend[] | null,
    now: number,
  ): Backend | number | null {
    const { health } = this
    this.#tried = tried
    this.#room = -1
    this.#now = now
    health.begin(this.#shares.get(policy) as GrowingShares, this.#chooser.affinity, key)
    let index = policy.pick(this.#acceptUpgrade, key)
    // Whoever only waits for a token has one soon: not a reason to give a backend that starts slowly more than its share.
    const soon = this.#room >= 0 && this.#room !== Number.POSITIVE_INFINITY
    if (index === -1 && !soon && health.relax()) index = policy.pick(this.#acceptUpgrade, key)
    this.#tried = null
    if (index !== -1) {
      health.picked(index)
      return this.backends[index] as Backend
    }
    return this.#room >= 0 ? this.#room : null
  }

  /** Whether none but those tried could serve, however much room they had. */
  hopeless(tried: readonly Backend[] | null): boolean {
    return !this.backends.some(
      (backend, index) =>
        (this.weights[index] as number) > 0 &&
        backend.serves &&
        this.health.serves(index) &&
        tried?.includes(backend) !== true,
    )
  }

  /** Whether somebody else could take what this backend gets here; true when it gets nothing. */
  canSpare(backend: Backend): boolean {
    const { backends, weights } = this
    const at = backends.indexOf(backend)
    if (at === -1 || weights[at] === 0) return true
    return backends.some((other, index) => {
      return index !== at && weights[index] !== 0 && other.serves && other.health.available
    })
  }

  /** The field that pins a client to the backend that answered it; `''` when it is, or nobody is. */
  pinField(selection: Selection, backend: Backend, secure: boolean): string {
    const { cookie } = this.#chooser
    if (cookie === null || this.backends[selection.key] === backend) return ''
    return cookie.field(backend, secure)
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
  /** Whether it is for an upgrade, which needs a seat. */
  readonly #seat: boolean
  #first: Backend | null = null
  /** All that were chosen; made for the second one, which most requests never need. */
  #tried: Backend[] | null = null
  /** Until when another backend may be tried, and connects may take; set by `first`. */
  deadline = 0

  constructor(pool: Pool, policy: Policy, key: number, seat: boolean) {
    this.pool = pool
    this.key = key
    this.#policy = policy
    this.#seat = seat
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
    if (this.#seat) {
      const chosen = this.nextSeat(now)
      return typeof chosen === 'number' ? null : chosen
    }
    const { rules, budget } = this.pool.retries
    if (this.#first === null || this.attempts > rules.attempts || now >= this.deadline) return null
    const tried = this.#tried ?? [this.#first]
    const next = this.pool.pick(this.#policy, this.key, tried)
    if (next === null || !budget.take(now, rules)) return null
    tried.push(next)
    this.#tried = tried
    return next
  }

  /**
   * A backend with a seat for an upgrade, the first one or another as `another` says; or milliseconds until one may
   * have room (see `Pool.pickSeat`), for which nothing is counted; or null when that is enough.
   */
  nextSeat(now: number): Backend | number | null {
    const { rules, budget } = this.pool.retries
    const first = this.#first
    if (first !== null && (this.attempts > rules.attempts || now >= this.deadline)) return null
    const tried = first === null ? null : (this.#tried ?? [first])
    const chosen = this.pool.pickSeat(this.#policy, this.key, tried, now)
    if (chosen === null || typeof chosen === 'number') return chosen
    if (tried === null) {
      budget.request(now)
      this.deadline = now + rules.total
      this.#first = chosen
      return chosen
    }
    if (!budget.take(now, rules)) {
      // Whoever ends a dial for this is asked once more: that is the same retry.
      this.deadline = now
      return null
    }
    tried.push(chosen)
    this.#tried = tried
    return chosen
  }

  /** Whether no backend but those that were tried could serve, however much room they had. */
  get hopeless(): boolean {
    return this.pool.hopeless(this.#tried ?? (this.#first === null ? null : [this.#first]))
  }
}
