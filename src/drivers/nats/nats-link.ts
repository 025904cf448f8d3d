import type { ClusterOptions } from '../../hub/cluster.ts'
import { BrokerLink, type LinkPart } from '../../hub/link/broker-link.ts'
import { NatsConnection } from './nats-connection.ts'
import type { NatsPlace } from './nats-options.ts'

/** The bus, as its link sees it. */
export type LinkedBus = LinkPart<NatsConnection>

/** What the parts of one node share: one connection to NATS. */
export class NatsLink extends BrokerLink<NatsConnection> {
  readonly place: NatsPlace

  constructor(place: NatsPlace, options: ClusterOptions) {
    super({ name: 'NATS', connect: (lost) => NatsConnection.open(place, lost) }, options)
    this.place = place
  }

  /** @throws FairleadError CLUSTER_UNAVAILABLE */
  get connection(): NatsConnection {
    return this.current
  }
}
