import { unavailable } from '../../hub/cluster-error.ts'
import type { LeaseStore, StoredCell } from '../../hub/leases/stored-leases.ts'
import type { MemoryLink } from './memory-link.ts'

/** Nodes in this process. */
export class MemoryLeases implements LeaseStore {
  readonly #link: MemoryLink
  #closed = false

  constructor(link: MemoryLink) {
    this.#link = link
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience)
  }

  read(id: string): Promise<StoredCell> {
    return this.#link.request((port) => port.store().readNode(id))
  }

  write(id: string, text: string, revision: number): Promise<number | null> {
    return this.#link.request((port) => port.store().writeNode(id, text, revision))
  }

  remove(id: string, revision: number, incarnation: number): Promise<void> {
    return this.#link.request((port) => port.store().removeNode(id, revision, incarnation))
  }

  list(): Promise<readonly string[]> {
    return this.#link.request((port) => port.store().nodes())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#link.close(this)
  }
}
