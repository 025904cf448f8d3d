import type { NodeRecord } from '../cluster.ts'
import type { Gap } from './feed.ts'

/** What a cluster half tells. */
export interface ClusterEvents {
  'node.joined': { readonly node: NodeRecord }
  'node.changed': { readonly node: NodeRecord }
  'node.suspected': { readonly node: NodeRecord }
  'node.recovered': { readonly node: NodeRecord }
  'node.left': { readonly node: NodeRecord; readonly why: 'closed' | 'dead' | 'replaced' }
  /** This node's lease has ended while it was running: the others have forgotten it. */
  'lease.lost': { readonly why: 'expired' | 'replaced' }
  /** This node could not beat for so long that the others may have forgotten it. Ends with `registry.up` or `lease.lost`. */
  'lease.doubted': Record<string, never>
  'lease.regained': { readonly node: NodeRecord }
  'bus.down': { readonly reason: string }
  'bus.up': Record<string, never>
  'registry.down': { readonly reason: string }
  'registry.up': Record<string, never>
  /** Nothing of what this node published to itself arrived: it connects anew. */
  'node.deafened': Record<string, never>
  /** `ready()` has changed. */
  'ready.changed': { readonly ready: boolean }
  /** A user's first device on any node came into a room. */
  'presence.joined': { readonly room: string; readonly user: string }
  /** A user's last device has been gone for the grace. */
  'presence.left': { readonly room: string; readonly user: string }
  /** Messages of a room with history are gone for this node's members. */
  'history.lost': Gap
}

/** Figures of a cluster half, as of now. */
export interface ClusterStats {
  readonly nodes: number
  readonly ready: boolean
  /** Channels that are heard. */
  readonly channels: number
  readonly publishes: number
  readonly orders: number
  /** Of `publishes`, those that failed. Appends to histories are not publishes. */
  readonly degraded: number
  /** Messages that came from the broker, this node's own included. */
  readonly heard: number
  /** Messages that were not taken: broken, of another version, or of a life that has ended. */
  readonly refused: number
  readonly presenceRooms: number
  /** Copies that had missed a change. */
  readonly presenceResyncs: number
  readonly historyRooms: number
  readonly historyHealed: number
  readonly historyGaps: number
  /** Milliseconds from publishing to hearing; null when not measured. */
  readonly lag: number | null
}
