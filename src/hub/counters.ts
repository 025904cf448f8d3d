import type { ClusterStats } from './cluster/cluster-events.ts'

/** What a hub counts, since it was made. Plain numbers: they are on the way of every message. */
export class Counters {
  accepted = 0
  refused = 0
  messagesIn = 0
  bytesIn = 0
  /** One for each connection that a message was written to. */
  messagesOut = 0
  bytesOut = 0
  /** Messages that were dropped because a send queue was full. */
  droppedOldest = 0
  droppedNewest = 0
  /** Messages that were replaced by a later one with the same key. */
  conflated = 0
  /** Connections that were closed because their send queue was full. */
  closedSlow = 0
  /** Times that a send queue was full, for the first time since it was empty. */
  slowConsumers = 0
  /** Connections that were closed because a handler failed. */
  failedHandlers = 0
  /** Connections that were cut because they did not answer a ping. */
  unanswered = 0
}

/** A look at a hub. */
export interface HubStats extends Readonly<Counters> {
  readonly connections: number
  /** Handshakes that are being decided. */
  readonly handshakes: number
  readonly users: number
  readonly rooms: number
  /** Connections that do not keep up right now. */
  readonly slow: number
  /** Bytes that wait for those. */
  readonly queuedBytes: number
  /** What it does with other nodes. */
  readonly cluster: ClusterStats
}
