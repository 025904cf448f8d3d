import type { Emitter } from '../core/emitter.ts'
import type { ClusterEvents, ClusterStats } from './cluster/cluster-events.ts'

/** What a hub counts, since it was made. Plain numbers: they are on the way of every message. */
export class Counters {
  accepted = 0
  refused = 0
  /** Of `refused`, by status. */
  readonly refusals: Record<number, number> = {}
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
  /** What `send`, `join`, `leave` and `close` of rooms, users and connections have ended with: `status`, once for each. */
  readonly deliveries = { local: 0, relayed: 0, degraded: 0, uncertain: 0, refused: 0, gone: 0 }
  /** Times that a socket was not read because too much waited for its handler. */
  pauses = 0
  /** Connections that are not read for that now. */
  paused = 0
  /** Times that messages had to wait because of `messageRate`, or one too many closed its connection. */
  rateExceeded = 0
  /** Connections that were closed because of `messageRate`, or because of what they sent compressed. */
  closedTooMany = 0
  /** What the program has asked the nodes, and answers that were missing. */
  questions = 0
  missingAnswers = 0
  /** Times that the broker went away, for messages or for what is known of nodes, and came back. */
  brokerLosses = 0
  brokerReturns = 0
  /** Times that nothing of what this node published to itself arrived, so that it connected anew. */
  deaf = 0
  /** Times that the others had forgotten this node. */
  leaseLosses = 0
  /** Handlers of connections that failed, for which those that were open were closed. */
  failedHandlers = 0
  /** Connections that were cut because they did not answer a ping. */
  unanswered = 0
}

/** Counts what a cluster half tells. */
export function countEvents(events: Emitter<ClusterEvents>, counters: Counters): void {
  for (const part of ['bus', 'registry'] as const) {
    events.on(`${part}.down`, () => void counters.brokerLosses++)
    events.on(`${part}.up`, () => void counters.brokerReturns++)
  }
  events.on('node.deafened', () => void counters.deaf++)
  events.on('lease.lost', () => void counters.leaseLosses++)
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
