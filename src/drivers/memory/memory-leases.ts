import type { NodeFacts } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { LeaseEntry, LeaseTable } from '../../hub/leases/lease-table.ts'
import type { MemoryLink } from './memory-link.ts'

/** Leases in this process. */
export class MemoryLeases implements LeaseTable {
  readonly #link: MemoryLink
  #closed = false

  constructor(link: MemoryLink) {
    this.#link = link
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience)
  }

  acquire(facts: NodeFacts, after: number | null): Promise<number | null> {
    return this.#link.request((port) => port.store().acquire(facts, after))
  }

  beat(facts: NodeFacts, incarnation: number): Promise<'held' | 'expired' | 'replaced'> {
    return this.#link.request((port) => port.store().beat(facts, incarnation))
  }

  list(): Promise<readonly LeaseEntry[]> {
    return this.#link.request((port) => port.store().list())
  }

  expire(entry: LeaseEntry): Promise<void> {
    return this.#link.request((port) => port.store().expire(entry))
  }

  release(id: string, incarnation: number): Promise<void> {
    return this.#link.request((port) => port.store().release(id, incarnation))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#link.close(this)
  }
}
