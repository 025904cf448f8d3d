import type { NodeFacts } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { LeaseEntry, LeaseTable } from '../../hub/leases/lease-table.ts'
import type { RedisLink } from './redis-link.ts'
import { acquire, beat, expire, release } from './redis-scripts.ts'

/** A hash of leases by node id. It goes when nobody has beaten for a day. */
const keepFor = `${24 * 60 * 60 * 1000}`

const lease = /^(\d+)\|(\d+)\|(\d)\|(.*)$/s

export class RedisLeases implements LeaseTable {
  readonly #link: RedisLink
  #closed = false

  constructor(link: RedisLink) {
    this.#link = link
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience)
  }

  async acquire(facts: NodeFacts, after: number | null): Promise<number | null> {
    const args = [facts.id, textOf(facts), after === null ? '-' : `${after}`, keepFor]
    const incarnation = await this.#link.run<Buffer | null>(acquire, [this.#link.leaseKey], args)
    return incarnation === null ? null : Number(incarnation)
  }

  async beat(facts: NodeFacts, incarnation: number): Promise<'held' | 'expired' | 'replaced'> {
    const args = [facts.id, textOf(facts), `${incarnation}`, keepFor]
    const found = String(await this.#link.run<Buffer>(beat, [this.#link.leaseKey], args))
    return found as 'held' | 'expired' | 'replaced'
  }

  async list(): Promise<readonly LeaseEntry[]> {
    const key = this.#link.leaseKey
    // HVALS and not HGETALL: the id is in the facts, and one reply is the same in both versions of the protocol.
    const values = await this.#link.request<Buffer[]>(key, ['HVALS', key])
    return values.flatMap((value) => entryOf(String(value)) ?? [])
  }

  async expire(entry: LeaseEntry): Promise<void> {
    const { id, incarnation } = entry.node
    await this.#link.run(expire, [this.#link.leaseKey], [id, `${incarnation}|${entry.beat}|`])
  }

  async release(id: string, incarnation: number): Promise<void> {
    await this.#link.run(release, [this.#link.leaseKey], [id, `${incarnation}`])
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.close(this)
  }
}

function textOf({ id, address, state, connections }: NodeFacts): string {
  return JSON.stringify({ id, address, state, connections })
}

/** Null for what somebody else has written there. */
function entryOf(text: string): LeaseEntry | null {
  const [, incarnation, beat, closed, facts] = lease.exec(text) ?? []
  if (facts === undefined) return null
  try {
    const { id, address, state, connections } = JSON.parse(facts) as NodeFacts
    if (typeof id !== 'string' || (state !== 'active' && state !== 'draining')) return null
    const node = {
      id,
      address: typeof address === 'string' ? address : null,
      state,
      connections: Number(connections) || 0,
      incarnation: Number(incarnation),
    } as const
    return { node, beat: Number(beat), closed: closed === '1' }
  } catch {
    return null
  }
}
