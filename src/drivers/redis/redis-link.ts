import type { ClusterOptions } from '../../hub/cluster.ts'
import { BrokerLink } from '../../hub/link/broker-link.ts'
import { RedisCircuit } from './redis-circuit.ts'
import type { RedisPlace } from './redis-options.ts'
import { tagOf } from './redis-slots.ts'

/** What the parts of one node share: the way to Redis, and how things are called there. */
export class RedisLink extends BrokerLink<RedisCircuit> {
  /** Whether channels are at the server of their slot. */
  readonly sharded: boolean

  constructor(place: RedisPlace, options: ClusterOptions) {
    super({ name: 'Redis', connect: (lost) => RedisCircuit.open(place, options.log, lost) }, options)
    this.sharded = place.kind === 'cluster'
  }

  /** A key or channel at the server that has everything of `name`. */
  keyOf(kind: 'c' | 'h' | 'm', name: string): string {
    return `${this.tagOf(name)}${kind}:${name}`
  }

  /** What has the same tag is at the same server. */
  tagOf(name: string): string {
    return tagOf(this.options.namespace, name)
  }

  /** Of the lease table. */
  get leaseKey(): string {
    return `{${this.options.namespace}}nodes`
  }
}
