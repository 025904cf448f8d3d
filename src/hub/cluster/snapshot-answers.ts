import type { Relayed } from '../local.ts'
import type { RoomSnapshot } from './envelope.ts'

/** Users in one message, over all rooms in it: half a megabyte of the longest names. */
const maxUsers = 1_000
/** Rooms in one message, and of one node that are remembered at once: as many as one request has. */
const maxRooms = 256
/** Nodes that are answered at the same time. */
const maxAtOnce = 8
/** Nodes that wait for it; others ask again. */
const maxWaiting = 1_024

/**
 * Tells other nodes which users are here, when they ask. One message after the other for each of them, so that a room
 * of any size goes through, and messages of clients beside it.
 */
export class SnapshotAnswers {
  /** Rooms that are still to be told, by who has asked. */
  readonly #asked = new Map<string, Set<string>>()
  readonly #answering = new Set<string>()
  readonly #snapshot: (room: string) => readonly RoomSnapshot[]
  readonly #say: (node: string, rooms: readonly RoomSnapshot[]) => Promise<Relayed>

  constructor(
    snapshot: (room: string) => readonly RoomSnapshot[],
    say: (node: string, rooms: readonly RoomSnapshot[]) => Promise<Relayed>,
  ) {
    this.#snapshot = snapshot
    this.#say = say
  }

  asked(node: string, rooms: readonly string[]): void {
    let asked = this.#asked.get(node)
    if (asked === undefined) {
      if (this.#asked.size === maxWaiting) return
      asked = new Set()
      this.#asked.set(node, asked)
    }
    for (const room of rooms) if (asked.size < maxRooms) asked.add(room)
    this.#begin()
  }

  close(): void {
    for (const rooms of this.#asked.values()) rooms.clear()
    this.#asked.clear()
  }

  #begin(): void {
    for (const [node, rooms] of this.#asked) {
      if (this.#answering.size === maxAtOnce) return
      if (this.#answering.has(node)) continue
      this.#answering.add(node)
      void this.#answerAll(node, rooms).then(() => {
        this.#answering.delete(node)
        this.#asked.delete(node)
        this.#begin()
      })
    }
  }

  /** Rooms that are asked for meanwhile are told, too. What could not be told is asked for again. */
  async #answerAll(node: string, rooms: Set<string>): Promise<void> {
    while (rooms.size > 0) if (!(await this.#answer(node, rooms))) return
  }

  async #answer(node: string, rooms: Set<string>): Promise<boolean> {
    let parts: RoomSnapshot[] = []
    let users = 0
    for (const room of rooms) {
      rooms.delete(room)
      for (const part of this.#snapshot(room)) {
        if (parts.length === maxRooms || (parts.length > 0 && users + part.users.length > maxUsers)) {
          if ((await this.#say(node, parts)).status !== 'relayed') return false
          parts = []
          users = 0
        }
        parts.push(part)
        users += part.users.length
      }
    }
    return (await this.#say(node, parts)).status === 'relayed'
  }
}
