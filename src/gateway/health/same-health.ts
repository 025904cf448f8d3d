import type { z } from 'zod'
import type { EjectionConfig, HealthConfig, SlowStartConfig } from './health-options.ts'

interface PoolRules {
  readonly backends: readonly { readonly address: string }[]
  readonly health?: HealthConfig | undefined
  readonly ejection: EjectionConfig
  readonly slowStart: SlowStartConfig
}

const perBackend = ['health', 'ejection', 'slowStart'] as const

/** Health belongs to an address, not to a pool: pools that share a backend have to agree about it. */
export function sameHealthEverywhere(
  pools: Readonly<Record<string, PoolRules>>,
  context: z.core.$RefinementCtx,
): void {
  const first = new Map<string, string>()
  for (const [name, pool] of Object.entries(pools)) {
    const other = pool.backends.map(({ address }) => first.get(address)).find((known) => known !== undefined)
    for (const field of other === undefined ? [] : perBackend) {
      const theirs = pools[other as string]?.[field]
      if (JSON.stringify(theirs) === JSON.stringify(pool[field])) continue
      const message = `expected the same ${field} as in pool ${other}, with which it shares a backend`
      context.addIssue({ code: 'custom', path: [name, field], message, input: pool[field] })
    }
    for (const { address } of pool.backends) if (!first.has(address)) first.set(address, name)
  }
}
