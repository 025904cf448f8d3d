import { systemClock } from '../../hub/clock.ts'
import type { RegistryDriver } from '../../hub/cluster.ts'
import { LeaseRegistry } from '../../hub/leases/lease-registry.ts'
import { RevisionLeases } from '../../hub/leases/revision-leases.ts'
import { EtcdGateway, type EtcdOptions } from './etcd-gateway.ts'

/**
 * Membership in etcd 3.4 or later, for `combine` with the bus of another driver.
 * @throws FairleadError CONFIG_INVALID
 */
export function etcd(options: EtcdOptions): RegistryDriver {
  const gateway = new EtcdGateway(options)
  return {
    name: 'etcd',
    connect({ namespace, lease, log }) {
      const prefix = `${namespace}/nodes/`
      const table = new RevisionLeases({
        // There is no connection to make: each request is one of its own.
        start: async () => {},
        list: () => gateway.list(prefix),
        get: (key) => gateway.get(prefix + key),
        change: (key, revision, value) => gateway.change(prefix + key, revision, value),
        close: async () => {},
      })
      return { registry: new LeaseRegistry(table, lease, systemClock, log) }
    },
  }
}
