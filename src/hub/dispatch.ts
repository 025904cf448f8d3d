import type { ClusterNode } from './cluster/cluster-node.ts'
import type { Position } from './cluster.ts'
import type { Address, Order, Relayed } from './local.ts'
import { checkData } from './message.ts'
import type { RoomRules } from './room-rules.ts'
import type { Roster } from './roster.ts'

/** What became of something that concerns connections, here and elsewhere. */
export interface Delivery {
  /** Connections of this node that it concerned. */
  readonly local: number
  /**
   * Those of them that a message is lost for, because their send queues are full: it was dropped, or the connection was
   * closed. Not known of rooms with history, where it is always 0: they lose no message and keep their connection.
   */
  readonly dropped: number
  /**
   * `local`: no other node could be concerned. `gone`: it is for a connection of this node that is not there, or of a
   * node that is not. Else what became of it on its way to the others; `relayed` does not say that anybody was there.
   */
  readonly status: 'local' | Relayed['status']
  /** Of a message to a room with history, once it is kept; else null. */
  readonly position: Position | null
}

/** Carries an order out: on the connections of this node, then on those of the others. */
export class Dispatch {
  readonly local: Roster
  readonly cluster: ClusterNode
  readonly rules: RoomRules
  /** How many have ended with which status. */
  readonly #counts: Record<Delivery['status'], number>

  constructor(
    local: Roster,
    cluster: ClusterNode,
    rules: RoomRules,
    counts: Record<Delivery['status'], number>,
  ) {
    this.local = local
    this.cluster = cluster
    this.rules = rules
    this.#counts = counts
  }

  order(to: Address, order: Order): Promise<Delivery> {
    const placed = order.do === 'send' && to.kind === 'room' && this.rules.history(to.name) !== null
    // What has a place in a history is delivered by the cluster half, in its place.
    if (placed) checkData(order.data)
    const { local, dropped } = placed
      ? { local: this.local.count(to), dropped: 0 }
      : this.local.carryOut(to, order)
    const relayed = this.cluster.relay(to, order)
    if (relayed === null) {
      const status = to.kind === 'connection' && local === 0 ? 'gone' : 'local'
      this.#counts[status]++
      return Promise.resolve({ local, dropped, status, position: null })
    }
    return relayed.then(({ status, position }) => {
      this.#counts[status]++
      return { local, dropped, status, position }
    })
  }
}
