import type { NodeFacts, NodeRecord } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { LeaseEntry, LeaseTable } from '../../hub/leases/lease-table.ts'
import type { EtcdEntry, EtcdGateway } from './etcd-gateway.ts'

/** Times that a lease is tried to be taken while others write to it as well. */
const attempts = 8

/**
 * A key for each node. Every write is compared with the revision that was seen, which is also what tells one beat from
 * the next; the incarnation comes from the revision of the whole store, which only ever grows.
 */
export class EtcdLeases implements LeaseTable {
  readonly #gateway: EtcdGateway
  readonly #prefix: string
  /** Of this node's own key, as of its last write. */
  #revision = 0
  #closed = false

  constructor(gateway: EtcdGateway, namespace: string) {
    this.#gateway = gateway
    this.#prefix = `${namespace}/nodes/`
  }

  /** There is no connection to make: each request is one of its own. */
  start(): Promise<void> {
    return this.#closed ? Promise.reject(unavailable('closed')) : Promise.resolve()
  }

  async acquire(facts: NodeFacts, after: number | null): Promise<number | null> {
    const key = this.#prefix + facts.id
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { entry, revision } = await this.#gateway.get(key)
      const there = entry === null ? null : leaseOf(entry)
      const last = there?.node.incarnation ?? 0
      if (after !== null && there?.closed === false && last > after) return null
      const incarnation = Math.max(revision, last, after ?? 0) + 1
      const text = textOf({ ...facts, incarnation }, false)
      const changed = await this.#gateway.change(key, entry?.revision ?? 0, text)
      if (!changed.done) continue
      this.#revision = changed.revision
      return incarnation
    }
    throw unavailable('others write to the lease all the time')
  }

  async beat(facts: NodeFacts, incarnation: number): Promise<'held' | 'expired' | 'replaced'> {
    const key = this.#prefix + facts.id
    const text = textOf({ ...facts, incarnation }, false)
    for (let attempt = 0; attempt < attempts; attempt++) {
      const changed = await this.#gateway.change(key, this.#revision, text)
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
    const { entries } = await this.#gateway.list(this.#prefix)
    return entries.flatMap((entry) => leaseOf(entry) ?? [])
  }

  async expire({ node, beat }: LeaseEntry): Promise<void> {
    await this.#gateway.change(this.#prefix + node.id, beat, null)
  }

  async release(id: string, incarnation: number): Promise<void> {
    const { entry } = await this.#gateway.get(this.#prefix + id)
    const there = entry === null ? null : leaseOf(entry)
    if (there?.node.incarnation !== incarnation) return
    await this.#gateway.change(this.#prefix + id, there.beat, textOf(there.node, true))
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}

function textOf({ id, incarnation, address, state, connections }: NodeRecord, closed: boolean): string {
  return JSON.stringify({ id, incarnation, address, state, connections, closed })
}

/** Null for what somebody else has written there. */
function leaseOf({ value, revision }: EtcdEntry): LeaseEntry | null {
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
