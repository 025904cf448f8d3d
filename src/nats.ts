export { nats } from './drivers/nats/nats-driver.ts'
export type { NatsOptions } from './drivers/nats/nats-options.ts'
export type { ClusterDriver } from './hub/cluster.ts'
