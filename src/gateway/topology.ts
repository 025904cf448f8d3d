import { RetryBudget } from '../core/retry-budget.ts'
import { backendLimits } from './admission/admission-options.ts'
import { Backend, type BackendState } from './backend.ts'
import { makeChooser } from './chooser.ts'
import type { HealthKeeper } from './health/health-keeper.ts'
import { PoolHealth } from './health/pool-health.ts'
import type { GatewayConfig, PoolConfig, RouteConfig } from './options.ts'
import { Pool } from './pool.ts'
import type { Timers } from './timers.ts'

/** A pool, and the configuration it was made of. */
interface PoolEntry {
  readonly config: PoolConfig
  readonly pool: Pool
}

/** The pools of a snapshot, by name. */
export type Pools = ReadonlyMap<string, PoolEntry>

/** A route and the pool, or the view of one, that it was given. */
interface RoutePool {
  readonly route: RouteConfig
  readonly pool: Pool
}

/** Makes the pools of snapshots, and keeps the records of their backends, one for each address, which outlive them. */
export class Topology {
  readonly #health: HealthKeeper
  readonly #timers: Timers
  readonly #backends = new Map<string, Backend>()

  constructor(health: HealthKeeper, timers: Timers) {
    this.#health = health
    this.#timers = timers
  }

  get backends(): Iterable<Backend> {
    return this.#backends.values()
  }

  /** @throws RangeError when no pool has such a backend */
  backend(address: string): Backend {
    const backend = this.#backends.get(address)
    if (backend === undefined) throw new RangeError(`no pool has a backend ${address}`)
    return backend
  }

  /**
   * The pools of a configuration. Each one whose part of it is the same object as before is the same pool, with all
   * that its policy remembers; one that has changed goes on with what is left of its budget for retries.
   */
  pools(config: GatewayConfig, before: Pools = new Map()): Pools {
    const entries = Object.entries(config.pools).map(([name, one]) => {
      const known = before.get(name)
      if (known?.config === one) return [name, known] as const
      return [name, { config: one, pool: this.#makePool(name, one, known?.pool) }] as const
    })
    return new Map(entries)
  }

  /**
   * The pool of each route. A route with a policy of its own has a view of its pool that shares the backends, what
   * they carry and their health, and stays while the pool does.
   */
  views(routes: readonly RouteConfig[], pools: Pools, before: readonly RoutePool[]): Pool[] {
    const left = new Set(before)
    return routes.map(({ pool: name, policy }) => {
      const { pool } = pools.get(name) as PoolEntry
      if (policy === undefined) return pool
      for (const known of left) {
        if (known.pool.health !== pool.health || known.route.policy !== policy) continue
        left.delete(known)
        return known.pool
      }
      const { backends, weights, health, retries } = pool
      const chooser = makeChooser(policy, name, backends, weights, this.#timers.environment)
      return new Pool(name, backends, weights, chooser, health, retries)
    })
  }

  /** Lets go of the pools and views of a snapshot that are not in the one that took its place. */
  retire(before: Iterable<Pool>, after: ReadonlySet<Pool>): void {
    const gone = new Set([...before].filter((pool) => !after.has(pool)))
    const kept = new Set([...after].map(({ health }) => health))
    for (const health of new Set([...gone].map((pool) => pool.health))) {
      if (!kept.has(health)) this.#health.release(health)
    }
    for (const pool of gone) pool.retire()
  }

  /** The states of the configuration that a gateway starts with. */
  order(config: GatewayConfig): void {
    for (const { backends } of Object.values(config.pools)) {
      for (const { address, state } of backends) {
        const backend = this.backend(address)
        if (state !== undefined) backend.ordered = strictest(backend.ordered, state)
      }
    }
  }

  /** @param before the pool whose place it takes */
  #makePool(name: string, config: PoolConfig, before?: Pool): Pool {
    const backends = config.backends.map((one) => {
      const { address, target } = one
      const backend = this.#backends.get(address) ?? new Backend(address, target)
      backend.seats.configure(backendLimits(config, one))
      this.#backends.set(address, backend)
      return backend
    })
    const weights = config.backends.map(({ weight }) => weight)
    const { environment } = this.#timers
    const health = new PoolHealth(name, backends, weights, config, environment.now)
    if (before !== undefined) health.follow(before.health)
    this.#health.adopt(health, backends, config)
    const chooser = makeChooser(config.policy, name, backends, weights, environment)
    const budget = before?.retries.budget ?? new RetryBudget()
    return new Pool(name, backends, weights, chooser, health, { rules: config.retries, budget })
  }
}

function strictest(first: BackendState, second: BackendState): BackendState {
  if (first === 'disabled' || second === 'active') return first
  return second
}
