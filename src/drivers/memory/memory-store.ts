import type { Clock } from '../../hub/clock.ts'
import type { HistoryLimits, HistorySlice, NodeFacts, Position } from '../../hub/cluster.ts'
import type { LeaseEntry } from '../../hub/leases/lease-table.ts'

interface Kept {
  readonly offset: number
  readonly payload: Uint8Array
  readonly at: number
}

interface Room {
  readonly epoch: string
  offset: number
  messages: Kept[]
  limits: HistoryLimits
  touched: number
}

/** Of rooms that were read before anything was written to them. */
const unwritten: HistoryLimits = { size: 0, age: 60_000 }

/** What a broker remembers for one namespace: leases and histories. Every method is one step. */
export class MemoryStore {
  readonly #clock: Clock
  readonly #leases = new Map<string, LeaseEntry>()
  /** Least recently touched first. */
  readonly #rooms = new Map<string, Room>()
  #lastIncarnation = 0
  #epochs = 0

  constructor(clock: Clock) {
    this.#clock = clock
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
    const room = this.#room(channel, limits)
    room.limits = limits
    room.offset += 1
    room.messages.push({ offset: room.offset, payload, at: this.#clock.now() })
    this.#trim(room)
    return { epoch: room.epoch, offset: room.offset }
  }

  read(channel: string, since: Position | null, limit: number): HistorySlice {
    const room = this.#room(channel, unwritten)
    this.#trim(room)
    const top = { epoch: room.epoch, offset: room.offset }
    if (since === null) {
      return { top, messages: limit === 0 ? [] : room.messages.slice(-limit).map(told), complete: true }
    }
    const same = since.epoch === room.epoch
    const after = room.messages.filter(({ offset }) => !same || offset > since.offset)
    const first = after[0]?.offset ?? room.offset + 1
    const complete = same && first === since.offset + 1 && after.length <= limit
    return { top, messages: after.slice(0, limit).map(told), complete }
  }

  #room(channel: string, limits: HistoryLimits): Room {
    this.#forget()
    let room = this.#rooms.get(channel)
    if (room === undefined) {
      this.#epochs += 1
      const epoch = `${Math.random().toString(36).slice(2, 8)}${this.#epochs}`
      room = { epoch, offset: 0, messages: [], limits, touched: 0 }
    }
    // Moves to the end, so that the ones to forget are in front.
    this.#rooms.delete(channel)
    this.#rooms.set(channel, room)
    room.touched = this.#clock.now()
    return room
  }

  #trim(room: Room): void {
    const oldest = this.#clock.now() - room.limits.age
    let gone = Math.max(0, room.messages.length - room.limits.size)
    while (gone < room.messages.length && (room.messages[gone] as Kept).at < oldest) gone += 1
    if (gone > 0) room.messages.splice(0, gone)
  }

  /** Epoch and offset outlive the messages a hundredfold; then the room goes too. */
  #forget(): void {
    for (const [channel, room] of this.#rooms) {
      if (room.touched + room.limits.age * 100 > this.#clock.now()) return
      this.#rooms.delete(channel)
    }
  }
}

function told({ offset, payload }: Kept) {
  return { offset, payload }
}
