import type { HistoryLimits, HistorySlice, HistoryStore, Position } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import { historyEnvelope } from '../../hub/history-envelope.ts'
import type { MemoryLink } from './memory-link.ts'

/** Histories in this process. */
export class MemoryHistory implements HistoryStore {
  readonly #link: MemoryLink
  #closed = false

  constructor(link: MemoryLink) {
    this.#link = link
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience)
  }

  append(channel: string, payload: Uint8Array, limits: HistoryLimits): Promise<Position> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    const copy = payload.slice()
    return this.#link.request((port) => {
      const position = port.store().append(channel, copy, limits)
      port.publish(channel, historyEnvelope(position, copy))
      return position
    })
  }

  read(channel: string, since: Position | null, limit: number): Promise<HistorySlice> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.request((port) => port.store().read(channel, since, limit))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#link.close(this)
  }
}
