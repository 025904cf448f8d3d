import type { Clock } from '../../hub/clock.ts'
import type { HistoryLimits, HistorySlice, NodeFacts, Position } from '../../hub/cluster.ts'
import { HistoryLog } from '../../hub/history-log.ts'
import type { LeaseEntry } from '../../hub/leases/lease-table.ts'

/** What a broker remembers for one namespace: leases and histories. Every method is one step. */
export class MemoryStore {
  readonly #leases = new Map<string, LeaseEntry>()
  readonly #history: HistoryLog
  #lastIncarnation = 0

  constructor(clock: Clock) {
    this.#history = new HistoryLog(() => clock.now())
  }

  acquire(facts: NodeFacts, after: number | null): number | null {
    const there = this.#leases.get(facts.id)
    if (after !== null && there !== undefined && !there.closed && there.node.incarnation > after) return null
    const incarnation = Math.max(this.#lastIncarnation, after ?? 0) + 1
    this.#lastIncarnation = incarnation
    this.#leases.set(facts.id, { node: { ...facts, incarnation }, beat: 1, closed: false })
    return incarnation
  }

  beat(facts: NodeFacts, incarnation: number): 'held' | 'expired' | 'replaced' {
    const there = this.#leases.get(facts.id)
    if (there === undefined || there.closed) return 'expired'
    if (there.node.incarnation !== incarnation) return 'replaced'
    this.#leases.set(facts.id, { node: { ...facts, incarnation }, beat: there.beat + 1, closed: false })
    return 'held'
  }

  list(): readonly LeaseEntry[] {
    return [...this.#leases.values()]
  }

  expire(entry: LeaseEntry): void {
    const there = this.#leases.get(entry.node.id)
    if (there?.node.incarnation === entry.node.incarnation && there.beat === entry.beat) {
      this.#leases.delete(entry.node.id)
    }
  }

  release(id: string, incarnation: number): void {
    const there = this.#leases.get(id)
    if (there?.node.incarnation !== incarnation) return
    this.#leases.set(id, { ...there, beat: there.beat + 1, closed: true })
  }

  append(channel: string, payload: Uint8Array, limits: HistoryLimits): Position {
    return this.#history.append(channel, payload, limits)
  }

  read(channel: string, since: Position | null, limit: number): HistorySlice {
    return this.#history.read(channel, since, limit)
  }
}
