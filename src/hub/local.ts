/**
 * Where the local half of a hub (connections, rooms, queues) and its cluster half (bus, membership, presence, history)
 * meet: each half is tested without the other.
 */

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
  | { readonly do: 'send'; readonly data: Data; readonly except: string | null; readonly key: string | null }
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

/** The cluster half, as the local half sees it. Called after the local state has changed; nothing here waits or throws. */
export interface ClusterHalf {
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
  /**
   * Carries an order to the other nodes that it concerns; this one has carried it out already. Null: there are none
   * that could be concerned. Else whether they could be told. Never rejects.
   */
  relay(to: Address, order: Order): Promise<boolean> | null
}

/** The cluster half of a hub that is alone. */
export const noCluster: ClusterHalf = {
  roomOccupied() {},
  roomEmptied() {},
  userArrived() {},
  userLeft() {},
  present() {},
  relay: () => null,
}
