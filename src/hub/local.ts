/**
 * Where the local half of a hub (connections, rooms, queues) and its cluster half (bus, membership, presence, history)
 * meet. Types only: each half is tested without the other.
 */

import type { Position } from './cluster.ts'

/** A message as it was given to the hub. */
export type Data = string | Uint8Array

/** Why somebody is closed. */
export interface CloseReason {
  readonly code: number
  readonly reason: string
}

/** Whom a message or an order is for. */
export type Address =
  | { readonly kind: 'room'; readonly name: string }
  | { readonly kind: 'user'; readonly id: string }
  | { readonly kind: 'connection'; readonly id: string }
  | { readonly kind: 'everybody' }

/** What can be done to connections. */
export type Order =
  | {
      readonly do: 'send'
      readonly data: Data
      /** Connection that does not get it. */
      readonly except: string | null
      /** What `conflate` replaces by. */
      readonly key: string | null
      /** Its place in the history of the room; null without history, and when it could not be kept. */
      readonly position: Position | null
    }
  | { readonly do: 'close'; readonly reason: CloseReason }
  | { readonly do: 'join'; readonly room: string }
  | { readonly do: 'leave'; readonly room: string }

/** The local half, as the cluster half sees it. Nothing here waits or throws. */
export interface LocalHub {
  /** Carries out an order on the connections of this node. Returns how many it concerned. */
  apply(to: Address, order: Order): number
  /** How many connections of this node an address stands for. */
  count(to: Address): number
  /** Local rooms with the users in them and the number of devices of each; of a connection without user, its id. */
  membersOf(room: string): ReadonlyMap<string, number>
  rooms(): Iterable<string>
  users(): Iterable<string>
}

/** The cluster half, as the local half sees it. Nothing here throws at once, and no promise of it rejects. */
export interface ClusterHalf {
  // Told after the local state has changed; nothing waits.

  /** The first local member of a room came. */
  roomOccupied(room: string): void
  /** The last local member of a room went. */
  roomEmptied(room: string): void
  /** The first local connection of a user came. */
  userArrived(user: string): void
  userLeft(user: string): void
  /**
   * Somebody came or went in a room: `devices` of this user are in it on this node now. For a connection without
   * user, `user` is its id.
   */
  present(room: string, user: string, devices: number): void

  // Asked.

  /**
   * Takes an order to the other nodes that it concerns. The local half has carried it out on this node before, with
   * one exception: what is sent to a room with history is delivered here by the cluster half, in its place.
   * Null when no other node could be concerned.
   */
  relay(to: Address, order: Order): Promise<Relayed> | null
  /**
   * Lets a connection into a room with history. `admit` is called once, in the moment in which the room has delivered
   * exactly what the recovery holds: it adds the connection to the room and sends it the messages, at once, so that
   * what is delivered next continues there without a hole. Resolves after that.
   * @param since what the client had last; null for one that begins now
   * @param signal nobody waits for it any more: then it resolves soon, does not call `admit`, and keeps nothing
   */
  recover(
    room: string,
    since: Position | null,
    admit: (recovery: Recovery) => void,
    signal: AbortSignal,
  ): Promise<void>
}

/** What became of an order for other nodes. */
export interface Relayed {
  /**
   * `relayed`: the broker has it. `degraded`: the broker is away or overloaded, so only this node has carried it out.
   * `uncertain`: the connection broke meanwhile, or the others may have let this node's lease end. `refused`: the broker does not take it (too large). `gone`: the node
   * that the connection belonged to does not exist any more.
   */
  readonly status: 'relayed' | 'degraded' | 'uncertain' | 'refused' | 'gone'
  /** Of a message to a room with history. */
  readonly position: Position | null
}

/** What a connection gets that comes into a room with history. */
export interface Recovery {
  /** Of the last of `messages`; where what is delivered live continues. Null when the history cannot be read. */
  readonly position: Position | null
  /** Oldest first, without holes, up to `position`. */
  readonly messages: readonly RecoveredMessage[]
  /**
   * Whether `messages` is everything after `since`. When not, it is the last of what there is: something is lost for
   * this client, which has to learn the present state in another way.
   */
  readonly complete: boolean
}

export interface RecoveredMessage {
  readonly position: Position
  readonly data: Data
}
