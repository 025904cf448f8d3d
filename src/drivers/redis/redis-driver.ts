import { systemClock } from '../../hub/clock.ts'
import type { ClusterDriver } from '../../hub/cluster.ts'
import { LeaseRegistry } from '../../hub/leases/lease-registry.ts'
import { RedisBus } from './redis-bus.ts'
import { RedisHistory } from './redis-history.ts'
import { RedisLeases } from './redis-leases.ts'
import { RedisLink } from './redis-link.ts'
import { parseRedisOptions, type RedisOptions } from './redis-options.ts'

/**
 * A cluster over Redis 6.2 or later, or Valkey: one server, a master behind sentinels, or a Redis Cluster (7 or
 * later, with sharded pub/sub).
 * @param options undefined, as of an environment variable that is not set, is a mistake: a hub is never alone by accident
 * @throws FairleadError CONFIG_INVALID
 */
export function redis(options: string | RedisOptions | undefined): ClusterDriver {
  const place = parseRedisOptions(options)
  return {
    name: 'redis',
    connect(told) {
      const link = new RedisLink(place, told)
      const registry = new LeaseRegistry(new RedisLeases(link), told.lease, systemClock, told.log)
      return { bus: new RedisBus(link), registry, history: new RedisHistory(link) }
    },
  }
}
