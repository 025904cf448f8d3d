import type { GatewayConfig } from './options.ts'

interface Spoken {
  /** What the operator said. */
  readonly weight: number
  /** What the configuration said at that time. */
  readonly configured: number
}

/** The weights that were set by call. Each counts until the configuration has another weight in its place. */
export class SpokenWeights {
  /** By pool and address. */
  readonly #spoken = new Map<string, Map<string, Spoken>>()

  /**
   * @param pool the one pool that is concerned; without it, every one that has the backend
   * @throws RangeError when no such pool has such a backend
   */
  say(config: GatewayConfig, address: string, weight: number, pool: string | undefined): void {
    let known = false
    for (const [name, { backends }] of Object.entries(config.pools)) {
      const backend = backends.find((one) => one.address === address)
      if (backend === undefined || (pool !== undefined && pool !== name)) continue
      known = true
      const spoken = this.#spoken.get(name) ?? new Map<string, Spoken>()
      this.#spoken.set(name, spoken.set(address, { weight, configured: backend.weight }))
    }
    if (!known) throw new RangeError(`no such pool has a backend ${address}`)
  }

  /** The configuration with the weights that were set; forgets those that do not count any more. */
  over(config: GatewayConfig): GatewayConfig {
    if (this.#spoken.size === 0) return config
    const pools = Object.entries(config.pools).map(([name, pool]) => {
      const spoken = this.#spoken.get(name)
      if (spoken === undefined) return [name, pool]
      this.#prune(spoken, pool.backends)
      const backends = pool.backends.map((backend) => {
        const { weight = backend.weight } = spoken.get(backend.address) ?? {}
        return weight === backend.weight ? backend : { ...backend, weight }
      })
      return [name, { ...pool, backends }]
    })
    for (const [name, spoken] of this.#spoken) {
      if (spoken.size === 0 || !Object.hasOwn(config.pools, name)) this.#spoken.delete(name)
    }
    return { ...config, pools: Object.fromEntries(pools) }
  }

  #prune(spoken: Map<string, Spoken>, backends: GatewayConfig['pools'][string]['backends']): void {
    const weights = new Map(backends.map(({ address, weight }) => [address, weight]))
    for (const [address, { configured }] of spoken) {
      if (weights.get(address) !== configured) spoken.delete(address)
    }
  }
}
