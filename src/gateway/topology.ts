import { RetryBudget } from '../core/retry-budget.ts'
import { same } from '../core/share.ts'
import { backendLimits } from './admission/admission-options.ts'
import { Backend } from './backend.ts'
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
  #staged = new Map<string, Backend>()

  constructor(health: HealthKeeper, timers: Timers) {
    this.#health = health
    this.#timers = timers
  }

  /** @throws RangeError when no pool has such a backend */
  backend(address: string): Backend {
    const backend = this.#backends.get(address)
    if (backend === undefined || !backend.present) throw new RangeError(`no pool has a backend ${address}`)
    return backend
  }

  /** The record of an address, also of one that has left and is not empty yet. */
  find(address: string): Backend | undefined {
    return this.#backends.get(address)
  }

  /**
   * The records of all backends of a configuration. Those that are new begin to count with the first pool that is
   * made of them, and are forgotten when another configuration is staged before.
   */
  stage({ pools }: GatewayConfig): readonly Backend[] {
    const staged = new Map<string, Backend>()
    for (const { backends } of Object.values(pools)) {
      for (const { address, target } of backends) {
        staged.set(
          address,
          this.#backends.get(address) ?? this.#staged.get(address) ?? new Backend(address, target),
        )
      }
    }
    this.#staged = staged
    return [...staged.values()]
  }

  /** Nothing is left of it. */
  forget(backend: Backend): void {
    if (!backend.present && backend.load === 0) this.#backends.delete(backend.address)
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
        if (known.pool.health !== pool.health || !same(known.route.policy, policy)) continue
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

  /** @param before the pool whose place it takes */
  #makePool(name: string, config: PoolConfig, before?: Pool): Pool {
    const backends = config.backends.map((one) => {
      const backend = this.#record(one)
      backend.seats.configure(backendLimits(config, one))
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

  #record({ address, target }: PoolConfig['backends'][number]): Backend {
    const backend = this.#backends.get(address) ?? this.#staged.get(address) ?? new Backend(address, target)
    this.#backends.set(address, backend)
    this.#staged.delete(address)
    return backend
  }
}
