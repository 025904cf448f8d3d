import { share } from '../core/share.ts'
import type { Backend } from './backend.ts'
import type { BackendStates } from './backend-states.ts'
import { configuredStates } from './configured-states.ts'
import type { GatewayContext } from './context.ts'
import { Departures } from './departures.ts'
import type { GatewayConfig } from './options.ts'
import { makeSnapshot, ownPools, poolsOf, type Snapshot } from './snapshot.ts'
import { SpokenWeights } from './spoken-weights.ts'
import type { Topology } from './topology.ts'

/** What changes a configuration before it counts, such as backends that were discovered; the same object when nothing. */
type Amend = (config: GatewayConfig) => GatewayConfig

/**
 * What is configured, what was said and found out besides, and the one place where a snapshot takes the place of
 * another.
 */
export class Configuration {
  readonly #context: GatewayContext
  readonly #states: BackendStates
  readonly #topology: Topology
  readonly #departures: Departures
  readonly #spoken = new SpokenWeights()
  readonly #amend: Amend
  #configured: GatewayConfig

  constructor(context: GatewayContext, topology: Topology, states: BackendStates, amend: Amend) {
    this.#amend = amend
    this.#context = context
    this.#states = states
    this.#topology = topology
    this.#configured = context.snapshot.config
    this.#departures = new Departures(context, (backend) => this.#forget(backend))
    // Before anybody listens, and before there is anything to drain.
    for (const [address, state] of configuredStates(this.#configured))
      topology.backend(address).ordered = state
    context.health.review()
  }

  /** As it was given, without what was said by call or discovered. */
  get configured(): GatewayConfig {
    return this.#configured
  }

  /** Another configuration counts from now on. */
  replace(config: GatewayConfig): void {
    this.#configured = config
    this.apply()
  }

  /** @throws RangeError when no such pool has such a backend */
  setWeight(address: string, weight: number, pool: string | undefined): void {
    this.#spoken.say(this.#amend(this.#configured), address, weight, pool)
    this.apply()
  }

  /** Puts in force what has changed. Nothing is touched when nothing has. */
  apply(): void {
    const before = this.#context.snapshot
    const config = share(before.config, this.#spoken.over(this.#amend(this.#configured)))
    if (config === before.config) return
    const after = makeSnapshot(config, this.#topology, before)
    this.#context.snapshot = after
    this.#context.admission.reconfigure(after)
    this.#departures.update(backendsOf(before), backendsOf(after))
    this.#topology.retire(poolsOf(before), poolsOf(after))
    this.#order(before.config, config)
    this.#context.health.review()
  }

  stop(): void {
    this.#departures.stop()
    for (const pool of poolsOf(this.#context.snapshot)) pool.retire()
  }

  /** What the configuration says anew about states goes before what was said by call. */
  #order(before: GatewayConfig, after: GatewayConfig): void {
    const [old, now] = [configuredStates(before), configuredStates(after)]
    for (const address of new Set([...old.keys(), ...now.keys()])) {
      if (old.get(address) === now.get(address)) continue
      const backend = this.#topology.find(address)
      const state = now.get(address) ?? 'active'
      if (backend?.present) this.#states.configure(backend, state)
      else if (backend !== undefined) this.#leave(backend)
    }
  }

  /** Its tunnels are drained because it left, whatever was configured. */
  #leave(backend: Backend): void {
    backend.ordered = 'active'
    this.#states.forget(backend)
  }

  #forget(backend: Backend): void {
    this.#states.forget(backend)
    this.#topology.forget(backend)
  }
}

function backendsOf(snapshot: Snapshot): Set<Backend> {
  return new Set(ownPools(snapshot).flatMap(({ backends }) => backends))
}
