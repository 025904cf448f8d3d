import type { NodeMessage, RoomSnapshot, Users } from './envelope.ts'

type Delta = Extract<NodeMessage, { kind: 'delta' }>

/** Deltas in a row, as one: the last of each user counts. */
interface Run {
  readonly from: number
  to: number
  readonly users: Map<string, number>
}

/** Runs that wait for a snapshot. There is a hole before each, so only the last ones are of use. */
const maxRuns = 8

/**
 * What this node knows of another node's users in one room. Changes are told one by one through `change`, so that the
 * roster is never wrong in between; while the copy is not `known` it shows what was known last.
 */
export class PresenceCopy {
  readonly incarnation: number
  /** Whether nothing is missing up to `version`. When not, a snapshot has to be asked for. */
  known = false
  version = 0
  readonly #devices = new Map<string, number>()
  readonly #change: (user: string, by: number) => void
  #waiting: Run[] = []
  /** Parts of a snapshot that have arrived. */
  #parts: RoomSnapshot[] = []

  constructor(incarnation: number, change: (user: string, by: number) => void) {
    this.incarnation = incarnation
    this.#change = change
  }

  applyDelta(delta: Delta): void {
    if (delta.to <= this.version) return
    if (delta.from === 0) {
      this.#replace(delta.users, delta.to)
      return
    }
    if (this.known && delta.from === this.version) {
      for (const [user, devices] of delta.users) this.#set(user, devices)
      this.version = delta.to
      return
    }
    this.known = false
    this.#wait(delta)
  }

  /** The sender has this version: an older one of ours has missed something. */
  applyDigest(version: number): void {
    if (version > this.version) this.known = false
  }

  applySnapshot(part: RoomSnapshot): void {
    // The first part begins anew, whatever came of another answer.
    if (part.part === 0 || this.#parts[0]?.version !== part.version) this.#parts = []
    if (part.part !== this.#parts.length) {
      // One is lost: the whole is asked for again.
      this.#parts = []
      return
    }
    this.#parts.push(part)
    if (this.#parts.length < part.parts) return
    const users = this.#parts.flatMap((each) => each.users)
    this.#parts = []
    if (part.version < this.version || (this.known && part.version === this.version)) return
    this.#replace(users, part.version)
  }

  /** Whatever was known may have changed unheard. */
  doubt(): void {
    this.known = false
    this.#parts = []
  }

  /** Nobody of it is there any more. */
  clear(): void {
    for (const [user, devices] of this.#devices) this.#change(user, -devices)
    this.#devices.clear()
  }

  #replace(users: Users, version: number): void {
    const now = new Map(users)
    for (const user of [...this.#devices.keys()]) if (!now.has(user)) this.#set(user, 0)
    for (const [user, devices] of now) this.#set(user, devices)
    this.version = version
    this.known = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) this.#follow(run)
  }

  #wait({ from, to, users }: Delta): void {
    const last = this.#waiting.at(-1)
    if (last !== undefined && last.to === from) {
      for (const [user, devices] of users) last.users.set(user, devices)
      last.to = to
      return
    }
    if (this.#waiting.length === maxRuns) this.#waiting.shift()
    this.#waiting.push({ from, to, users: new Map(users) })
  }

  /** A run that begins before the version says of each user what was last, so it leads from there to its end. */
  #follow(run: Run): void {
    if (run.to <= this.version) return
    if (run.from > this.version || !this.known) {
      this.known = false
      this.#waiting.push(run)
      return
    }
    for (const [user, devices] of run.users) this.#set(user, devices)
    this.version = run.to
  }

  #set(user: string, devices: number): void {
    const before = this.#devices.get(user) ?? 0
    if (devices === before) return
    if (devices === 0) this.#devices.delete(user)
    else this.#devices.set(user, devices)
    this.#change(user, devices - before)
  }
}
