import type { Gap } from './cluster/feed.ts'
import type { NodeRecord } from './cluster.ts'
import type { CloseInfo, Connection } from './connection.ts'
import type { WhenFull } from './send-queue.ts'

/** What a hub tells, besides `connection` and `message`, which are handled and not only heard. */
export interface HubEvents<UserData = undefined> {
  close: ConnectionEnd<UserData>
  /** A send queue is full, for the first time since it was empty. */
  slowConsumer: SlowConsumer<UserData>
  /** A handshake was refused. */
  refused: RefusedHandshake

  /** A user's first device on any node came into a room with presence. Told by every node that has members there. */
  userJoined: { readonly room: string; readonly user: string }
  /** A user's last device has been gone from there for `presenceGrace`. */
  userLeft: { readonly room: string; readonly user: string }
  /** With `userPresence`: a user's first connection to any node. Told by every node, also by one without connections. */
  userOnline: { readonly user: string }
  /** With `userPresence`: a user's last connection has been gone for `presenceGrace`. */
  userOffline: { readonly user: string }
  /** Messages of a room with history can not be had any more: its members here have to load the present state. */
  gap: Gap

  nodeJoined: { readonly node: NodeRecord }
  /** Its state, address or connections. */
  nodeChanged: { readonly node: NodeRecord }
  /** It is silent; nothing of it is forgotten. */
  nodeSuspected: { readonly node: NodeRecord }
  nodeRecovered: { readonly node: NodeRecord }
  nodeLeft: { readonly node: NodeRecord; readonly why: 'closed' | 'dead' | 'replaced' }
  /** `hub.ready()` has changed. */
  ready: { readonly ready: boolean }
  /** The broker is away, for messages (`bus`) or for what is known of nodes (`registry`). */
  brokerLost: { readonly part: 'bus' | 'registry'; readonly reason: string }
  brokerBack: { readonly part: 'bus' | 'registry' }
  /** Nothing that this node publishes to itself arrives: it connects anew. */
  deaf: Record<string, never>
  /** The others have forgotten this node: it was silent for too long, or another one took its name. */
  leaseLost: { readonly why: 'expired' | 'replaced' }
  leaseRegained: Record<string, never>
}

/** Their names. */
export const hubEventNames: readonly string[] = Object.keys({
  close: true,
  slowConsumer: true,
  refused: true,
  userJoined: true,
  userLeft: true,
  userOnline: true,
  userOffline: true,
  gap: true,
  nodeJoined: true,
  nodeChanged: true,
  nodeSuspected: true,
  nodeRecovered: true,
  nodeLeft: true,
  ready: true,
  brokerLost: true,
  brokerBack: true,
  deaf: true,
  leaseLost: true,
  leaseRegained: true,
} satisfies Record<keyof HubEvents, true>)

export interface ConnectionEnd<UserData = undefined> extends CloseInfo {
  readonly connection: Connection<UserData>
}

export interface SlowConsumer<UserData = undefined> {
  readonly connection: Connection<UserData>
  readonly queuedBytes: number
  readonly whenFull: WhenFull
}

export interface RefusedHandshake {
  readonly status: number
  readonly reason: string
  readonly remoteAddress: string
}

/** One message and whose it is. */
export interface ReceivedMessage<UserData = undefined> {
  readonly connection: Connection<UserData>
  readonly data: string | Uint8Array
}
