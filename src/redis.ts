export { redis } from './drivers/redis/redis-driver.ts'
export type {
  RedisAddress,
  RedisClusterOptions,
  RedisOptions,
  RedisSentinelOptions,
  RedisServerOptions,
} from './drivers/redis/redis-options.ts'
export type { ClusterDriver } from './hub/cluster.ts'
