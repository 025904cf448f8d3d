import type { NodeMessage, RoomSnapshot, Users } from './envelope.ts'

type Delta = Extract<NodeMessage, { kind: 'delta' }>

/** Users in one message: half a megabyte of the longest names. */
const maxUsers = 1_000

interface OwnRoom {
  /** Of the last delta; 0 before the first. */
  version: number
  readonly devices: Map<string, number>
  /** Users who have changed since. */
  readonly changed: Set<string>
}

/**
 * This node's own users in rooms with presence, with the versions that are told to others. Versions are numbered
 * through all rooms of a node's life, so that a room that was empty and forgotten never repeats one.
 */
export class OwnPresence {
  readonly #rooms = new Map<string, OwnRoom>()
  readonly #changed = new Set<string>()
  /** Rooms whose version is to be told again, and when, in that order. */
  readonly #digests = new Map<string, number>()
  readonly #digestAfter: number
  #version = 0

  /** @param digestAfter milliseconds after a change */
  constructor(digestAfter: number) {
    this.#digestAfter = digestAfter
  }

  /** Whether a digest will be due. */
  get owes(): boolean {
    return this.#digests.size > 0
  }

  /** @returns by how many devices that is more */
  set(room: string, user: string, devices: number): number {
    let own = this.#rooms.get(room)
    if (own === undefined) {
      if (devices === 0) return 0
      own = { version: 0, devices: new Map(), changed: new Set() }
      this.#rooms.set(room, own)
    }
    const before = own.devices.get(user) ?? 0
    if (before === devices) return 0
    if (devices === 0) own.devices.delete(user)
    else own.devices.set(user, devices)
    own.changed.add(user)
    this.#changed.add(room)
    return devices - before
  }

  /** Whether somebody of this node is in the room. */
  occupied(room: string): boolean {
    return (this.#rooms.get(room)?.devices.size ?? 0) > 0
  }

  users(room: string): Iterable<readonly [user: string, devices: number]> {
    return this.#rooms.get(room)?.devices ?? []
  }

  /** What has changed since the last call, to be told in this order. */
  flush(now: number): Delta[] {
    const deltas: Delta[] = []
    for (const room of this.#changed) {
      const own = this.#rooms.get(room)
      if (own === undefined) continue
      for (const users of inParts(
        [...own.changed].map((user) => [user, own.devices.get(user) ?? 0] as const),
      )) {
        this.#version += 1
        deltas.push({ kind: 'delta', room, from: own.version, to: this.#version, users })
        own.version = this.#version
      }
      own.changed.clear()
      this.owe(room, now)
    }
    this.#changed.clear()
    return deltas
  }

  /** A digest of the room will be due, because it has changed or could not be told. */
  owe(room: string, now: number): void {
    if (!this.#digests.has(room)) this.#digests.set(room, now + this.#digestAfter)
  }

  /**
   * All users of a room, as of the version that was told last (changes that wait are in it, and will be told again,
   * which changes nothing). A room that nobody of this node is in has the version of the node: none of its earlier
   * ones says anything else.
   */
  snapshot(room: string): RoomSnapshot[] {
    const own = this.#rooms.get(room)
    const version = own?.version ?? this.#version
    const parts = inParts([...(own?.devices ?? [])])
    return parts.map((users, part) => ({ room, version, part, parts: parts.length, users }))
  }

  /** Every digest that is owed is due now. */
  hurry(now: number): void {
    for (const room of this.#digests.keys()) this.#digests.set(room, now)
  }

  /** Rooms whose digest is due. Rooms that are empty by then are forgotten. */
  digests(now: number): { readonly room: string; readonly version: number }[] {
    const due: { room: string; version: number }[] = []
    for (const [room, at] of this.#digests) {
      if (at > now) break
      this.#digests.delete(room)
      const own = this.#rooms.get(room)
      due.push({ room, version: own?.version ?? this.#version })
      if (own !== undefined && own.devices.size === 0 && own.changed.size === 0) this.#rooms.delete(room)
    }
    return due
  }
}

/** One part at least, an empty one. */
function inParts(users: Users): Users[] {
  if (users.length <= maxUsers) return [users]
  const parts: Users[] = []
  for (let from = 0; from < users.length; from += maxUsers) parts.push(users.slice(from, from + maxUsers))
  return parts
}
