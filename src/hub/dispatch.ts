import type { ClusterNode } from './cluster/cluster-node.ts'
import type { Position } from './cluster.ts'
import type { Address, LocalHub, Order, Relayed } from './local.ts'
import { checkData } from './message.ts'
import type { RoomRules } from './room-rules.ts'

/** What became of something that concerns connections, here and elsewhere. */
export interface Delivery {
  /** Connections of this node that it concerned. */
  readonly local: number
  /** `local`: no other node could be concerned. Else what became of it on its way to the others. */
  readonly status: 'local' | Relayed['status']
  /** Of a message to a room with history, once it is kept; else null. */
  readonly position: Position | null
}

/** Carries an order out: on the connections of this node, then on those of the others. */
export class Dispatch {
  readonly local: LocalHub
  readonly cluster: ClusterNode
  readonly rules: RoomRules

  constructor(local: LocalHub, cluster: ClusterNode, rules: RoomRules) {
    this.local = local
    this.cluster = cluster
    this.rules = rules
  }

  order(to: Address, order: Order): Promise<Delivery> {
    const placed = order.do === 'send' && to.kind === 'room' && this.rules.history(to.name) !== null
    // What has a place in a history is delivered by the cluster half, in its place.
    if (placed) checkData(order.data)
    const local = placed ? this.local.count(to) : this.local.apply(to, order)
    const relayed = this.cluster.relay(to, order)
    if (relayed === null) return Promise.resolve({ local, status: 'local', position: null })
    return relayed.then(({ status, position }) => ({ local, status, position }))
  }
}
