/**
 * What the hubs of these programs act as one through: the Redis at REDIS_URL, or the NATS at NATS_URL, with the list of
 * nodes in the etcd at ETCD_URL when there is one. Without any of them each program is alone.
 */
import { type ClusterDriver, combine } from '../../src/cluster.ts' // in a project of your own: 'fairlead/cluster'
import { etcd } from '../../src/etcd.ts' // 'fairlead/etcd'
import { nats } from '../../src/nats.ts' // 'fairlead/nats'
import { redis } from '../../src/redis.ts' // 'fairlead/redis'

export function clusterFrom({ REDIS_URL, NATS_URL, ETCD_URL }: NodeJS.ProcessEnv): ClusterDriver | undefined {
  if (REDIS_URL) return redis(REDIS_URL)
  if (NATS_URL && ETCD_URL) return combine({ bus: nats(NATS_URL), registry: etcd(ETCD_URL) })
  return NATS_URL ? nats(NATS_URL) : undefined
}
