import { systemClock } from '../../hub/clock.ts'
import type { ClusterDriver } from '../../hub/cluster.ts'
import { LeaseRegistry } from '../../hub/leases/lease-registry.ts'
import { RevisionLeases } from '../../hub/leases/revision-leases.ts'
import { NatsBus } from './nats-bus.ts'
import { NatsHistory } from './nats-history.ts'
import { NatsLeaseStore } from './nats-leases.ts'
import { NatsLink } from './nats-link.ts'
import { type NatsOptions, parseNatsOptions } from './nats-options.ts'

/**
 * A cluster over NATS 2.9 or later: messages by core subjects, membership and history in JetStream (a server without
 * it has a bus only, for `combine`).
 * @throws FairleadError CONFIG_INVALID
 */
export function nats(options: string | NatsOptions): ClusterDriver {
  const place = parseNatsOptions(options)
  return {
    name: 'nats',
    connect(told) {
      const link = new NatsLink(place, told)
      const leases = new RevisionLeases(new NatsLeaseStore(link, told.namespace))
      return {
        bus: new NatsBus(link),
        registry: new LeaseRegistry(leases, told.lease, systemClock, told.log),
        history: new NatsHistory(link, told.namespace),
      }
    },
  }
}
