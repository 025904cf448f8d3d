export { etcd } from './drivers/etcd/etcd-driver.ts'
export type { EtcdOptions } from './drivers/etcd/etcd-options.ts'
export type { RegistryDriver } from './hub/cluster.ts'
