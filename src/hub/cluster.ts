/**
 * The cluster port: what a hub needs of the world to act as one with other hubs. Types only. A driver implements it
 * against one technology (`drivers/memory`, `drivers/redis`, ...), and `cluster-contract.ts` holds every driver to
 * every sentence below, against the real server.
 *
 * Three parts, because technologies are good at different ones and `combine` may take them from different places:
 * the **bus** carries messages, the **registry** says which nodes exist, the **history** remembers. What a hub
 * registers (who is in which room) lives in the hub that owns it and is told to the others over the bus; it
 * belongs to the owner's lease, and everybody drops it when the registry says that the lease has ended. So a
 * driver stores nothing per connection, per room or per user.
 *
 * Words: MUST, MUST NOT, MAY as in RFC 2119. Times are milliseconds. No method throws at once; those that return a
 * promise reject with a `FairleadError` of source `cluster`:
 *
 * - `CLUSTER_UNAVAILABLE` (retryable): the broker is away. What was asked has not happened and will not happen later.
 * - `CLUSTER_UNCERTAIN`: the connection broke while the broker had it. It may have happened, or may yet.
 * - `CLUSTER_REFUSED`: the broker, or the driver for it, does not take such a thing: too large, not permitted.
 */

/** Makes the parts of one node. Given to `createHub({ cluster })`; several hubs may be made from one driver. */
export interface ClusterDriver {
  /** The technology, for logs: `redis`. No address, no credentials. */
  readonly name: string
  /** Makes the parts without I/O. Called once for each hub. */
  connect(options: ClusterOptions): Cluster
}

/** What every driver is told. */
export interface ClusterOptions {
  /** Prefix of every channel, key and subject: hubs with the same one are one cluster. At most 64 of `[A-Za-z0-9_-]`. */
  readonly namespace: string
  readonly lease: LeaseTimes
  /** The most that a room of this hub keeps, when any keeps history: a driver MAY prepare for it. */
  readonly largestHistory?: HistoryLimits | null
  /** For what is worth a line and is not an event: reconnects, refused entries. Secrets MUST NOT be in it. */
  readonly log: ClusterLog
}

export interface ClusterLog {
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
}

/**
 * The parts of one node. Each has `start` and `close`; `start` is called once, `close` may be called twice, and before
 * or during `start`, which then rejects. Parts of one driver share their connections.
 */
export interface Cluster {
  readonly bus: Bus
  readonly registry: Registry
  /** Null when the technology cannot keep history: rooms with history are then a mistake of configuration. */
  readonly history: HistoryStore | null
}

/** A driver of a technology that is a registry and nothing else. Every `ClusterDriver` can be one. */
export interface RegistryDriver {
  readonly name: string
  connect(options: ClusterOptions): Pick<Cluster, 'registry'>
}

/** Where `combine` takes the parts from. */
export interface CombineParts {
  readonly bus: ClusterDriver
  readonly registry: RegistryDriver
  /** @default the bus's, with which append and publish are one step */
  readonly history?: ClusterDriver
}

// ---------------------------------------------------------------------------------------------------------------- bus

/**
 * Carries bytes between nodes by channel, at most once.
 *
 * Order: what one node publishes on one channel arrives in the order of the calls, at every subscriber, itself
 * included (a publisher that subscribes MUST hear itself: that is how a deaf node finds out). What was rejected as
 * `CLUSTER_UNCERTAIN` MAY arrive behind what was published over a later connection, as a network may keep it for long;
 * the hub refuses it then. Between channels and between nodes there is no order. A message MUST NOT arrive twice. A message MAY be lost while `down`, and never
 * silently otherwise: when a driver loses its subscriptions or drops messages (a broker that cuts a slow subscriber)
 * it MUST say `down` and, after every subscription is in force again, `up`. A broker that stops answering without
 * closing anything MUST be found out (`down`) within 10 s.
 *
 * Channel names are 1 to 512 bytes of UTF-8 without control characters; a driver whose technology allows less MUST
 * encode them. Payloads are 0 bytes to 1 MiB at least; a larger one than the broker takes is a rejected publish.
 */
export interface Bus {
  /**
   * Connects and goes on trying until `close`, with a full-jitter backoff from 50 ms to one beat of the lease (so that
   * no node is suspected because it waits longer than others after the broker is back). Resolves when the first
   * connection stands and rejects when `patience` ms have passed without one; it goes on trying also then.
   */
  start(events: BusEvents, patience: number): Promise<void>
  /**
   * Resolves when the broker has taken it; that says nothing about who heard it. While `down` it rejects at once with
   * `CLUSTER_UNAVAILABLE` and MUST NOT deliver that message later. What is under way when the bus goes down rejects
   * with `CLUSTER_UNCERTAIN`. MUST NOT queue without bound. MUST NOT be repeated by the driver unless it can tell that
   * the first was not taken.
   * @param payload the driver's to read until the promise is settled; it MUST NOT change it
   */
  publish(channel: string, payload: Uint8Array): Promise<void>
  /**
   * Resolves when every message that is published from now on will be heard. Idempotent; while `down` it resolves
   * once it is in force. The subscription stands until `unsubscribe`, across reconnects. A channel that the broker does
   * not permit rejects with `CLUSTER_REFUSED`, also while it connects, and is wanted no more; others are not affected.
   * One that was in force and is withdrawn by the broker is told as `down`, and is left out of the `up` that follows.
   */
  subscribe(channel: string): Promise<void>
  /** Messages that are on their way MAY still be heard. A `subscribe` that follows wins. */
  unsubscribe(channel: string): void
  /**
   * Gives up the connection as it stands and makes a new one: `down`, then `up`. For a node that finds itself deaf
   * though its connection looks well. While `down` it changes nothing.
   */
  reconnect(reason: string): void
  /** Gives up connection and subscriptions; nothing is told any more from then on. */
  close(): Promise<void>
}

/** What a bus tells. Called one after the other, never from inside a method of the bus. */
export interface BusEvents {
  /** @param payload the receiver's to keep */
  message(channel: string, payload: Uint8Array): void
  /** Messages may be lost from now on. Told once, until `up`. */
  down(reason: string): void
  /**
   * Connected, every subscription in force again. Told after `down` only; so when `start` ran out of patience, `down`
   * is told then and `up` once the first connection stands.
   */
  up(): void
}

// ----------------------------------------------------------------------------------------------------------- registry

/** When a node is not heard of any more. */
export interface LeaseTimes {
  /** Between two beats. @default 3000 */
  readonly beat: number
  /** Without a beat, a node is suspected: asked no more, but not forgotten. @default 7000 */
  readonly suspect: number
  /** Without a beat, a node's lease has ended, and with it all that belonged to it. @default 15000 */
  readonly dead: number
}

/** A node as it says itself. */
export interface NodeRecord {
  /** Unique among the live nodes. 1 to 64 of `[A-Za-z0-9_-]`. */
  readonly id: string
  /**
   * Which life of this node it is: greater for a later one, of which only one can hold the lease. Given by the
   * registry with the lease.
   */
  readonly incarnation: number
  /** Where its balancer reaches it, when it knows. */
  readonly address: string | null
  readonly state: 'active' | 'draining'
  /** Live connections, as of the last beat. */
  readonly connections: number
}

/** What of its record a node says itself; the rest comes with the lease. */
export type NodeFacts = Pick<NodeRecord, 'id' | 'address' | 'state' | 'connections'>

/**
 * Which nodes exist. Each running hub holds one lease in it, kept alive by beats.
 *
 * Fencing: of one id only the holder of the latest lease is believed. A beat of an earlier incarnation MUST be
 * refused by the store itself, atomically, and told to the late one as `lost`. Whether a lease has ended is decided
 * by the store or, where it cannot, by the time on an observer's own monotonic clock during which it looked and the
 * beat did not change, and then by compare-and-delete in the store: clocks of different machines MUST NOT be compared,
 * the time during which the observer itself could not look (its store away, its process stopped) does not count, and
 * no node is declared dead that has beaten since. `hub/leases` does that over any store that can compare and set.
 */
export interface Registry {
  /**
   * Takes the lease of `facts.id` with a new incarnation, and begins to beat and to watch. A live holder of the same
   * id is replaced (it finds out by `lost`). Resolves with its own record once the lease is held and the nodes that
   * were there are known (told as `joined` before); rejects when `patience` ms have passed, and goes on trying then.
   */
  start(facts: () => NodeFacts, events: RegistryEvents, patience: number): Promise<NodeRecord>
  /** Beats now, because the facts have changed; at most once in 100 ms. Never rejects. */
  changed(): void
  /** Looks now, because there is said to be a node that is new; at most once in 100 ms. Never rejects. */
  refresh(): void
  /** Every node that is not known to have left, this one included; of no incarnation (0) before its first lease. */
  nodes(): readonly NodeRecord[]
  /** Ends the lease at once: others see it `left` within one beat at most, where the store can push, right away. */
  close(): Promise<void>
}

/** What a registry tells. Called one after the other, never from inside a method of the registry. */
export interface RegistryEvents {
  /** Also after a `left` of the same id: then with a greater incarnation. Not told of itself. */
  joined(node: NodeRecord): void
  /** Its state, address or connections are others now. */
  changed(node: NodeRecord): void
  /** Silent for `suspect`. Nothing of it is forgotten. */
  suspected(node: NodeRecord): void
  /** A suspected node was heard of again, in the same incarnation. */
  recovered(node: NodeRecord): void
  /**
   * Its lease has ended: because it closed, because it was silent for `dead`, or because a later incarnation took its
   * place (`joined` of that one follows). Told once for each incarnation.
   */
  left(node: NodeRecord, why: 'closed' | 'dead' | 'replaced'): void
  /**
   * This node's own lease has ended while it was running: it was silent for too long, or replaced. What it had
   * registered is forgotten by the others. The registry takes a new lease by itself, unless replaced by a live one
   * of the same id: then it MUST NOT fight. `replaced` may follow `expired`: another took its place meanwhile. An
   * entry that this process itself wrote, without hearing of it, is never taken for another's.
   */
  lost(why: 'expired' | 'replaced'): void
  /**
   * This node could not beat for `dead`: it may be that the others have let its lease end. Told once after `down`;
   * what follows is `up` when the lease was still held, or `lost`.
   */
  doubted(): void
  /**
   * It holds a lease (again), with a greater incarnation: register everything again. Follows `lost`, or a `start`
   * that ran out of patience. The nodes that are there were told before.
   */
  regained(self: NodeRecord): void
  /** The store cannot be reached. The nodes known stay as they are: silence of the store says nothing about them. */
  down(reason: string): void
  /** The store is back, and `nodes` is right again (changes were told before). Follows `down` only. */
  up(): void
}

// ------------------------------------------------------------------------------------------------------------ history

/** A place in the history of one room. Offsets begin at 1 and are contiguous within an epoch. */
export interface Position {
  /** Changes when a room's history begins anew: offsets of different epochs have nothing to do with each other. */
  readonly epoch: string
  /** Of the last message; 0 when there was none in this epoch yet. */
  readonly offset: number
}

export interface HistoryMessage {
  readonly offset: number
  readonly payload: Uint8Array
}

/** What a room keeps. */
export interface HistoryLimits {
  /** Messages. */
  readonly size: number
  /** How long a message is kept, in milliseconds. The epoch and the last offset MUST outlive it a hundredfold. */
  readonly age: number
}

/** The last messages of rooms. */
export interface HistoryStore {
  /** Connects and goes on trying. Resolves and rejects as `Bus.start` does. */
  start(patience: number): Promise<void>
  /**
   * Appends and publishes in one atomic step: whoever hears it can read it, and whatever can be read was published
   * (or its gap shows, since the next one has a later offset). Subscribers of `channel` hear
   * `historyEnvelope(position, payload)` (`hub/history-envelope.ts`) in the order of the offsets. Rejects with
   * `CLUSTER_UNAVAILABLE`, without having appended, while the broker is away, and when more is asked for than it takes:
   * MUST NOT queue without bound. When it is not known whether it was taken, rejects with `CLUSTER_UNCERTAIN`. MUST NOT
   * be repeated by the driver unless it can tell that the first was not taken.
   */
  append(channel: string, payload: Uint8Array, limits: HistoryLimits): Promise<Position>
  /**
   * What came after `since`, oldest first, at most `limit`; the messages that are returned are contiguous. `complete`
   * is false when something between `since` and the first message is gone, or when there is more than `limit`: never
   * a part that looks like the whole. When the epoch is another one it is false as well, and the messages are the
   * oldest of the present epoch. Without `since`: the last `limit` messages, and `complete` is true.
   */
  read(channel: string, since: Position | null, limit: number): Promise<HistorySlice>
  close(): Promise<void>
}

export interface HistorySlice {
  /** Of the last message of the room, as of this read. A room that was never written to gets its epoch here. */
  readonly top: Position
  readonly messages: readonly HistoryMessage[]
  readonly complete: boolean
}
