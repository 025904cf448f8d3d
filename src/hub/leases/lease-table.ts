import type { NodeFacts, NodeRecord } from '../cluster.ts'

/**
 * What `LeaseRegistry` needs of a store: one entry for each node id, changed by compare-and-set. Every method is one
 * atomic step in the store and settles by itself within the driver's own time limit.
 */
export interface LeaseTable {
  /** Connects. Resolves when requests may succeed, rejects after `patience` ms, and goes on trying then. */
  start(patience: number): Promise<void>
  /**
   * Writes a new entry for `facts.id`, whatever was there, with an incarnation greater than any before. With `after`,
   * only when no open entry of a later incarnation stands there; then null.
   */
  acquire(facts: NodeFacts, after: number | null): Promise<number | null>
  /** Writes the entry with the next `beat` when it is open and of this incarnation; else says what is there. */
  beat(facts: NodeFacts, incarnation: number): Promise<'held' | 'expired' | 'replaced'>
  list(): Promise<readonly LeaseEntry[]>
  /** Removes the entry when it is still the very same one. */
  expire(entry: LeaseEntry): Promise<void>
  /** Marks the entry closed when it is of this incarnation. */
  release(id: string, incarnation: number): Promise<void>
  /** Gives up its connections. May be called twice. */
  close(): Promise<void>
}

export interface LeaseEntry {
  readonly node: NodeRecord
  /** Changes with every beat. */
  readonly beat: number
  /** The node has said goodbye; the entry stands only for others to see that. */
  readonly closed: boolean
}
