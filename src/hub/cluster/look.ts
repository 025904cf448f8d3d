import type { NodeMessage, RoomSnapshot } from './envelope.ts'
import { PresenceCopy } from './presence-copy.ts'
import { Roster } from './roster.ts'

/** What a node tells of its users in a room. */
export type Told = Extract<NodeMessage, { kind: 'delta' | 'digest' }> | RoomSnapshot

/**
 * One room with presence, seen from this node: the roster, made of its own users and a copy for each other node.
 *
 * Until every node has told its users once, nobody is told to have joined: those who were there before the look did
 * not join now. Who came meanwhile is told afterwards.
 */
export class Look {
  readonly roster: Roster
  readonly copies = new Map<string, PresenceCopy>()
  /** When it is given up, if it is not used again; null while users of this node are in the room. */
  until: number | null = null
  #settled = false
  readonly #fresh = new Set<string>()
  readonly #waiting = new Set<() => void>()
  readonly #joined: (user: string) => void
  readonly #now: () => number
  readonly #begun: () => boolean
  /** Whether what is told just now was there before. */
  #old = false

  /** @param begun whether it is known which nodes there are, and they are heard: before, nothing is everything */
  constructor(grace: number, now: () => number, begun: () => boolean, joined: (user: string) => void) {
    this.roster = new Roster(grace)
    this.#now = now
    this.#begun = begun
    this.#joined = joined
  }

  /** Whether every copy is known, or was, when the look began. */
  get settled(): boolean {
    return this.#settled
  }

  /** Nodes of which not everything is known. */
  unknown(): string[] {
    return [...this.copies].filter(([, copy]) => !copy.known).map(([node]) => node)
  }

  /** Whether everything is known. */
  get complete(): boolean {
    return this.#begun() && this.unknown().length === 0
  }

  /** Resolves when it is complete, or the look is given up on waiting. */
  wait(): { readonly known: Promise<void>; readonly stop: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.complete) resolve()
    else this.#waiting.add(resolve)
    const stop = () => {
      this.#waiting.delete(resolve)
      resolve()
    }
    return { known: promise, stop }
  }

  /** Devices of one user of this node, or of a copy. */
  change(user: string, by: number): void {
    const joined = this.roster.change(user, by, this.#now())
    if (this.#settled) {
      if (joined) this.#joined(user)
    } else if (this.#old) this.#fresh.delete(user)
    else if (joined) this.#fresh.add(user)
  }

  /** Begins a copy of a node's users, of which nothing is known yet. */
  follow(node: string, incarnation: number): void {
    this.drop(node)
    this.copies.set(node, new PresenceCopy(incarnation, (user, by) => this.change(user, by)))
  }

  /** A node has left, with its users. */
  drop(node: string): void {
    const copy = this.copies.get(node)
    if (copy === undefined) return
    this.copies.delete(node)
    copy.clear()
    this.check()
  }

  /** @returns whether a hole was found in what was known */
  apply(node: string, message: Told): boolean {
    const copy = this.copies.get(node)
    if (copy === undefined) return false
    const wasKnown = copy.known
    if (!('kind' in message)) {
      this.#old = true
      copy.applySnapshot(message)
      this.#old = false
    } else if (message.kind === 'delta') copy.applyDelta(message)
    else copy.applyDigest(message.version)
    if (copy.known) this.check()
    return wasKnown && !copy.known
  }

  /** Settles when everything is known. */
  check(): void {
    if (!this.complete) return
    this.release()
    this.settle()
  }

  /** Whoever waits gets what is known. */
  release(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }

  /** It was settled before it was known which nodes there are: who is there now did not join. */
  reopen(): void {
    this.#settled = false
  }

  /** From now on whoever comes has joined. */
  settle(): void {
    if (this.#settled) return
    this.#settled = true
    for (const user of this.#fresh) if (this.roster.has(user)) this.#joined(user)
    this.#fresh.clear()
  }
}
