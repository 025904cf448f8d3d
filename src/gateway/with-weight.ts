import type { GatewayConfig, PoolConfig } from './options.ts'

/**
 * A configuration with another weight for one backend; what this does not concern are the same objects.
 * @param pool the one pool to change; without it, every one that has the backend
 * @throws RangeError when no such pool has such a backend
 */
export function withWeight(
  config: GatewayConfig,
  address: string,
  weight: number,
  pool: string | undefined,
): GatewayConfig {
  const concerns = (name: string, { backends }: PoolConfig): boolean =>
    (pool === undefined || pool === name) && backends.some((backend) => backend.address === address)
  const entries = Object.entries(config.pools)
  if (!entries.some(([name, one]) => concerns(name, one))) {
    throw new RangeError(`no such pool has a backend ${address}`)
  }
  const pools = entries.map(([name, one]) => {
    if (!concerns(name, one)) return [name, one]
    const backends = one.backends.map((backend) =>
      backend.address === address ? { ...backend, weight } : backend,
    )
    return [name, { ...one, backends }]
  })
  return { ...config, pools: Object.fromEntries(pools) }
}
