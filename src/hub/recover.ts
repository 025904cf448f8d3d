import { systemClock } from './clock.ts'
import type { ClusterNode } from './cluster/cluster-node.ts'
import type { Position } from './cluster.ts'
import type { Joined } from './connection.ts'
import type { LiveConnection } from './live-connection.ts'
import type { Recovery } from './local.ts'
import { Message } from './message.ts'
import type { RoomRules } from './room-rules.ts'

const notJoined: Joined = { joined: false, recovered: 0, position: null, complete: false }
const without: Recovery = { position: null, messages: [], complete: false }

export interface RecoverOptions {
  readonly cluster: ClusterNode
  readonly rules: RoomRules
  /** Milliseconds for the history. */
  readonly patience: number
}

/** Lets a connection into a room with history where it left it; without what it missed when that takes too long. */
export function recover(
  { cluster, rules, patience }: RecoverOptions,
  connection: LiveConnection,
  room: string,
  since: Position | null,
): Promise<Joined> {
  const { promise, resolve } = Promise.withResolvers<Joined>()
  let entered = false
  const enter = ({ position, messages, complete }: Recovery) => {
    if (entered) return
    entered = true
    if (!connection.join(room)) {
      resolve(notJoined)
      return
    }
    if (position === null && since !== null) {
      connection.had ??= new Map()
      connection.had.set(room, since)
    }
    for (const { position: place, data } of messages) {
      connection.deliver(new Message(rules.stamp(room, data, place)), null)
    }
    resolve({ joined: true, recovered: messages.length, position, complete })
  }
  const cancel = systemClock.after(patience, () => enter(without))
  void cluster.recover(room, since, enter).then(cancel)
  return promise
}
