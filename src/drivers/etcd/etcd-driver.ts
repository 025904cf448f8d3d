import { systemClock } from '../../hub/clock.ts'
import type { RegistryDriver } from '../../hub/cluster.ts'
import { LeaseRegistry } from '../../hub/leases/lease-registry.ts'
import { EtcdGateway, type EtcdOptions } from './etcd-gateway.ts'
import { EtcdLeases } from './etcd-leases.ts'

/**
 * Membership in etcd 3.4 or later, for `combine` with the bus of another driver.
 * @throws FairleadError CONFIG_INVALID
 */
export function etcd(options: EtcdOptions): RegistryDriver {
  const gateway = new EtcdGateway(options)
  return {
    name: 'etcd',
    connect({ namespace, lease, log }) {
      const table = new EtcdLeases(gateway, namespace)
      return { registry: new LeaseRegistry(table, lease, systemClock, log) }
    },
  }
}
