import type { NodeFacts, NodeRecord } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import type { LeaseEntry, LeaseTable } from './lease-table.ts'

/** One key with its value. */
export interface Revisioned {
  readonly value: string
  /** Changes with every write, and grows with every write to the store. */
  readonly revision: number
}

/** A store that compares revisions: etcd, or a key-value bucket of NATS. One key for each node id. */
export interface RevisionStore {
  /** Connects; for those that have no connection, nothing. */
  start(patience: number): Promise<void>
  list(): Promise<readonly Revisioned[]>
  /** @returns the entry, and a revision that none before it is greater than */
  get(key: string): Promise<{ readonly entry: Revisioned | null; readonly revision: number }>
  /**
   * Writes when the key is as it was at `revision` (0: not there), else tells what is there.
   * @param value null to remove the key
   */
  change(key: string, revision: number, value: string | null): Promise<Changed>
  close(): Promise<void>
}

export type Changed =
  | { readonly done: true; readonly revision: number }
  | { readonly done: false; readonly entry: Revisioned | null }

/** Times that a lease is tried to be taken while others write to it as well. */
const attempts = 8

/**
 * A key for each node. Every write is compared with the revision that was seen, which is also what tells one beat from
 * the next; the incarnation comes from the revision of the whole store, which only ever grows.
 */
export class RevisionLeases implements LeaseTable {
  readonly #store: RevisionStore
  /** Of this node's own key, as of its last write. */
  #revision = 0
  #closed = false

  constructor(store: RevisionStore) {
    this.#store = store
  }

  start(patience: number): Promise<void> {
    return this.#closed ? Promise.reject(unavailable('closed')) : this.#store.start(patience)
  }

  async acquire(facts: NodeFacts, after: number | null): Promise<number | null> {
    const key = facts.id
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { entry, revision } = await this.#store.get(key)
      const there = entry === null ? null : leaseOf(entry)
      const last = there?.node.incarnation ?? 0
      if (after !== null && there?.closed === false && last > after) return null
      const incarnation = Math.max(revision, last, after ?? 0) + 1
      const text = textOf({ ...facts, incarnation }, false)
      const changed = await this.#store.change(key, entry?.revision ?? 0, text)
      if (!changed.done) continue
      this.#revision = changed.revision
      return incarnation
    }
    throw unavailable('others write to the lease all the time')
  }

  async beat(facts: NodeFacts, incarnation: number): Promise<'held' | 'expired' | 'replaced'> {
    const key = facts.id
    const text = textOf({ ...facts, incarnation }, false)
    for (let attempt = 0; attempt < attempts; attempt++) {
      const changed = await this.#store.change(key, this.#revision, text)
      if (changed.done) {
        this.#revision = changed.revision
        return 'held'
      }
      const there = changed.entry === null ? null : leaseOf(changed.entry)
      if (there === null || there.closed) return 'expired'
      if (there.node.incarnation !== incarnation) return 'replaced'
      // A beat whose answer was lost: the lease is still ours.
      this.#revision = there.beat
    }
    throw unavailable('others write to the lease all the time')
  }

  async list(): Promise<readonly LeaseEntry[]> {
    const entries = await this.#store.list()
    return entries.flatMap((entry) => leaseOf(entry) ?? [])
  }

  async expire({ node, beat }: LeaseEntry): Promise<void> {
    await this.#store.change(node.id, beat, null)
  }

  async release(id: string, incarnation: number): Promise<void> {
    const { entry } = await this.#store.get(id)
    const there = entry === null ? null : leaseOf(entry)
    if (there?.node.incarnation !== incarnation) return
    await this.#store.change(id, there.beat, textOf(there.node, true))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#store.close()
  }
}

function textOf({ id, incarnation, address, state, connections }: NodeRecord, closed: boolean): string {
  return JSON.stringify({ id, incarnation, address, state, connections, closed })
}

/** Null for what somebody else has written there. */
function leaseOf({ value, revision }: Revisioned): LeaseEntry | null {
  try {
    const { id, incarnation, address, state, connections, closed } = JSON.parse(value) as NodeRecord & {
      closed: boolean
    }
    if (typeof id !== 'string' || !Number.isSafeInteger(incarnation)) return null
    if (state !== 'active' && state !== 'draining') return null
    const node = {
      id,
      incarnation,
      address: typeof address === 'string' ? address : null,
      state,
      connections: Number(connections) || 0,
    }
    return { node, beat: revision, closed: closed === true }
  } catch {
    return null
  }
}
