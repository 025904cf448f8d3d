import type { Clock } from '../../hub/clock.ts'
import type { HistoryLimits, HistorySlice, Position } from '../../hub/cluster.ts'
import { HistoryLog } from '../../hub/history-log.ts'
import type { StoredCell } from '../../hub/leases/stored-leases.ts'

/** What a broker remembers for one namespace: nodes and histories. Every method is one step. */
export class MemoryStore {
  readonly #nodes = new Map<string, { readonly text: string; readonly revision: number }>()
  readonly #history: HistoryLog
  #lastRevision = 0
  /** Of those that were removed; what stands there is told by its text. */
  #lastIncarnation = 0

  constructor(clock: Clock) {
    this.#history = new HistoryLog(() => clock.now())
  }

  readNode(id: string): StoredCell {
    const { text, revision } = this.#nodes.get(id) ?? { text: null, revision: 0 }
    return { text, revision, floor: this.#lastIncarnation + 1 }
  }

  writeNode(id: string, text: string, revision: number): number | null {
    if ((this.#nodes.get(id)?.revision ?? 0) !== revision) return null
    this.#lastRevision += 1
    this.#nodes.set(id, { text, revision: this.#lastRevision })
    return this.#lastRevision
  }

  removeNode(id: string, revision: number, incarnation: number): void {
    if (this.#nodes.get(id)?.revision !== revision) return
    this.#lastIncarnation = Math.max(this.#lastIncarnation, incarnation)
    this.#nodes.delete(id)
  }

  nodes(): readonly string[] {
    return Array.from(this.#nodes.values(), ({ text }) => text)
  }

  append(channel: string, payload: Uint8Array, limits: HistoryLimits): Position {
    return this.#history.append(channel, payload, limits)
  }

  read(channel: string, since: Position | null, limit: number): HistorySlice {
    return this.#history.read(channel, since, limit)
  }
}
