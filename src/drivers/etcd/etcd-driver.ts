import { systemClock } from '../../hub/clock.ts'
import type { RegistryDriver } from '../../hub/cluster.ts'
import { LeaseRegistry } from '../../hub/leases/lease-registry.ts'
import { StoredLeases } from '../../hub/leases/stored-leases.ts'
import { EtcdClient } from './etcd-client.ts'
import { EtcdLeases } from './etcd-leases.ts'
import { type EtcdOptions, parseEtcdOptions } from './etcd-options.ts'

/**
 * Membership in etcd 3.4 or later. It carries no messages, so it is one part of `combine`.
 * @param options undefined, as of an environment variable that is not set, is a mistake
 * @throws FairleadError CONFIG_INVALID
 */
export function etcd(options: string | EtcdOptions | undefined): RegistryDriver {
  const place = parseEtcdOptions(options)
  return {
    name: 'etcd',
    connect({ namespace, lease, log }) {
      const client = new EtcdClient(place, lease.beat)
      const leases = new StoredLeases(new EtcdLeases(client, namespace, lease.dead))
      return { registry: new LeaseRegistry(leases, lease, systemClock, log) }
    },
  }
}
