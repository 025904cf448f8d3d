import { systemClock } from '../../hub/clock.ts'
import type { ClusterDriver } from '../../hub/cluster.ts'
import { LeaseRegistry } from '../../hub/leases/lease-registry.ts'
import { StoredLeases } from '../../hub/leases/stored-leases.ts'
import { NatsBus } from './nats-bus.ts'
import { NatsHistory } from './nats-history.ts'
import { NatsLeases } from './nats-leases.ts'
import { NatsLink } from './nats-link.ts'
import { type NatsOptions, parseNatsOptions } from './nats-options.ts'
import { NatsPlaces } from './nats-places.ts'
import { NatsStreams } from './nats-streams.ts'

/**
 * A cluster over NATS 2.9 or later: messages over core subjects, nodes and histories in JetStream, which is needed
 * for these two only.
 * @param options undefined, as of an environment variable that is not set, is a mistake: a hub is never alone by accident
 * @throws FairleadError CONFIG_INVALID
 */
export function nats(options: string | NatsOptions | undefined): ClusterDriver {
  const place = parseNatsOptions(options)
  return {
    name: 'nats',
    connect(told) {
      const link = new NatsLink(place, told)
      const streams = new NatsStreams(link)
      const places = new NatsPlaces()
      const leases = new StoredLeases(new NatsLeases(link, streams))
      return {
        bus: new NatsBus(link, places),
        registry: new LeaseRegistry(leases, told.lease, systemClock, told.log),
        history: new NatsHistory(link, streams, places),
      }
    },
  }
}
