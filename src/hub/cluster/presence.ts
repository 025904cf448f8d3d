import type { Clock } from '../clock.ts'
import type { Relayed } from '../local.ts'
import { nodeChannel, presenceChannel } from './channels.ts'
import type { Envelope, NodeMessage } from './envelope.ts'
import type { Interest } from './interest.ts'
import { Look } from './look.ts'
import type { Members } from './members.ts'
import { OwnPresence } from './own-presence.ts'
import type { Page } from './paged-set.ts'
import type { Missing } from './questions.ts'

/** Between two looks at what is due. */
const tick = 1_000
/** After that a snapshot that did not come is asked for again. */
const askAgain = 3_000
/** Rooms in one request for snapshots. */
const maxRooms = 256
/** How long a room is looked at after somebody asked. */
const lookFor = 30_000

export interface PresenceContext {
  readonly clock: Clock
  readonly members: Members
  readonly interest: Interest
  /** Milliseconds that a user without devices stays present. */
  readonly grace: number
  /** Milliseconds after a change until its version is told once more. */
  readonly digestAfter: number
  /** Milliseconds that somebody who asks waits for nodes that have not told. */
  readonly timeout: number
  /** Whether what other nodes tell is heard just now. */
  hears(): boolean
  say(channel: string, message: NodeMessage): Promise<Relayed>
  joined(room: string, user: string): void
  left(room: string, user: string): void
}

/** What is known of a room. `missing` are nodes of whose users not everything is known just now. */
export interface Present<T> {
  readonly value: T
  readonly missing: readonly Missing[]
}

/**
 * Who is in which room, over all nodes. Every node tells its own users by deltas with versions; a node that looks at a
 * room has a copy of each other node's users there, notices when it missed a delta, and asks that node for the whole.
 * When a node's lease ends, its copy goes as a whole.
 */
export class Presence {
  readonly #context: PresenceContext
  readonly #own: OwnPresence
  readonly #looks = new Map<string, Look>()
  /** Snapshots that are wanted, by node and room, with the time when they were asked for; 0: not yet. */
  readonly #wanted = new Map<string, Map<string, number>>()
  /** When those who wait for a look settle anyway. */
  readonly #unsettled = new Map<Look, number>()
  #flushing = false
  #asking = false
  #cancel: (() => void) | null = null
  /** Snapshots that had to be asked for because a change was missed. */
  resyncs = 0

  constructor(context: PresenceContext) {
    this.#context = context
    this.#own = new OwnPresence(context.digestAfter)
  }

  /** Rooms that are looked at. */
  get size(): number {
    return this.#looks.size
  }

  /** A user of this node has so many devices in a room. */
  present(room: string, user: string, devices: number): void {
    const by = this.#own.set(room, user, devices)
    if (by === 0) return
    // A look that begins now finds the user there already.
    this.#looks.get(room)?.change(user, by)
    this.#look(room).until = this.#own.occupied(room) ? null : this.#context.clock.now() + lookFor
    if (this.#flushing) return
    this.#flushing = true
    this.#context.clock.soon(() => this.#flush())
  }

  count(room: string): Promise<Present<number>> {
    return this.#ask(room, ({ roster }) => roster.size)
  }

  /** Devices of one user in a room, over all nodes. */
  devices(room: string, user: string): Promise<Present<number>> {
    return this.#ask(room, ({ roster }) => roster.devices(user))
  }

  /** @param cursor `next` of the page before; 0 for the first */
  list(room: string, cursor: number, limit: number): Promise<Present<Page<string>>> {
    return this.#ask(room, ({ roster }) => roster.page(cursor, limit))
  }

  /** A delta, a digest or a snapshot of another node, or a request for snapshots. */
  receive({ node, incarnation, message }: Envelope): void {
    if (message.kind === 'sync') {
      for (const room of message.rooms) {
        for (const part of this.#own.snapshot(room)) void this.#context.say(nodeChannel(node), part)
      }
      return
    }
    if (message.kind !== 'delta' && message.kind !== 'digest' && message.kind !== 'snapshot') return
    // Of a node that the registry has not told of yet nothing is kept: it is asked for everything when it joins.
    if (!this.#context.members.isLife(node, incarnation)) return
    const look = this.#looks.get(message.room)
    const copy = look?.copies.get(node)
    if (look === undefined || copy === undefined) return
    const wasKnown = copy.known
    look.apply(node, message)
    if (copy.known) this.#wanted.get(node)?.delete(message.room)
    else {
      if (wasKnown) this.resyncs += 1
      this.#want(node, message.room)
    }
  }

  nodeJoined(node: string): void {
    for (const [room, look] of this.#looks) this.#follow(room, look, node)
  }

  nodeLeft(node: string): void {
    this.#wanted.delete(node)
    for (const look of this.#looks.values()) look.drop(node)
    this.#schedule()
  }

  /** The bus is back: whatever was said meanwhile went unheard, and what this node said may have been. */
  up(): void {
    for (const [room, look] of this.#looks) {
      for (const [node, copy] of look.copies) {
        copy.doubt()
        this.#want(node, room)
      }
    }
  }

  close(): void {
    this.#cancel?.()
    for (const look of this.#looks.values()) look.settle()
  }

  async #ask<T>(room: string, read: (look: Look) => T): Promise<Present<T>> {
    const { clock, timeout } = this.#context
    const look = this.#look(room)
    if (look.until !== null) look.until = clock.now() + lookFor
    // Nobody is waited for who cannot be heard.
    let late = !this.#context.hears()
    let stop = () => {}
    const cancel = clock.after(timeout, () => {
      late = true
      stop()
    })
    // A node that takes a new lease meanwhile is known no more, and asked anew.
    while (!late && look.unknown().length > 0) {
      const waiting = look.wait()
      stop = waiting.stop
      await waiting.known
    }
    cancel()
    return { value: read(look), missing: this.#missing(look) }
  }

  #missing(look: Look): Missing[] {
    const { members } = this.#context
    const hears = this.#context.hears()
    const unknown = new Set(look.unknown())
    const missing: Missing[] = []
    for (const node of look.copies.keys()) {
      // What a node told last may be old when it is silent, or cannot be heard.
      if (!hears) missing.push({ node, reason: 'unreachable' })
      else if (members.suspects(node)) missing.push({ node, reason: 'suspected' })
      else if (unknown.has(node)) missing.push({ node, reason: 'timeout' })
    }
    return missing
  }

  #look(room: string): Look {
    const found = this.#looks.get(room)
    if (found !== undefined) return found
    const { clock, grace, interest, members, timeout } = this.#context
    const look = new Look(
      grace,
      () => clock.now(),
      (user) => this.#context.joined(room, user),
    )
    this.#looks.set(room, look)
    look.until = clock.now() + lookFor
    for (const [user, devices] of this.#own.users(room)) look.change(user, devices)
    for (const node of members.others) look.follow(node, members.incarnation(node) ?? 0)
    this.#unsettled.set(look, clock.now() + timeout)
    const start = () => {
      if (this.#looks.get(room) !== look) return
      for (const node of look.copies.keys()) this.#want(node, room)
      look.check()
    }
    // What is told from then on is heard, so a snapshot that is asked for afterwards leaves no hole.
    interest.want(presenceChannel(room)).then(start, () => {})
    this.#schedule()
    return look
  }

  #follow(room: string, look: Look, node: string): void {
    look.follow(node, this.#context.members.incarnation(node) ?? 0)
    this.#want(node, room)
  }

  #want(node: string, room: string): void {
    let rooms = this.#wanted.get(node)
    if (rooms === undefined) {
      rooms = new Map()
      this.#wanted.set(node, rooms)
    }
    if (!rooms.has(room)) rooms.set(room, 0)
    this.#schedule()
    if (this.#asking) return
    this.#asking = true
    this.#context.clock.soon(() => this.#request())
  }

  /** Asks for what was not asked for, or not answered. */
  #request(): void {
    this.#asking = false
    const now = this.#context.clock.now()
    for (const [node, rooms] of this.#wanted) {
      const due: string[] = []
      for (const [room, askedAt] of rooms) {
        if (askedAt !== 0 && askedAt + askAgain > now) continue
        // To the end of the queue, behind those who wait longer.
        rooms.delete(room)
        rooms.set(room, now)
        due.push(room)
        if (due.length === maxRooms) break
      }
      if (due.length > 0) void this.#context.say(nodeChannel(node), { kind: 'sync', rooms: due })
      if (due.length === maxRooms) this.#asking = true
    }
    if (this.#asking) this.#context.clock.soon(() => this.#request())
  }

  #flush(): void {
    this.#flushing = false
    for (const delta of this.#own.flush(this.#context.clock.now())) this.#tell(delta.room, delta)
    this.#schedule()
  }

  #tell(room: string, message: NodeMessage): void {
    void this.#context.say(presenceChannel(room), message).then(({ status }) => {
      if (status !== 'relayed') this.#own.owe(room, this.#context.clock.now())
    })
  }

  #schedule(): void {
    this.#cancel ??= this.#context.clock.after(tick, () => this.#tick())
  }

  #tick(): void {
    this.#cancel = null
    const now = this.#context.clock.now()
    for (const { room, version } of this.#own.digests(now))
      this.#tell(room, { kind: 'digest', room, version })
    for (const [look, end] of this.#unsettled) {
      if (end > now) break
      this.#unsettled.delete(look)
      look.settle()
    }
    for (const [room, look] of this.#looks) {
      for (const user of look.roster.expire(now)) this.#context.left(room, user)
      if (look.until !== null && look.until <= now && look.roster.nextEnd === null) this.#forget(room, look)
    }
    for (const [node, rooms] of this.#wanted) if (rooms.size === 0) this.#wanted.delete(node)
    if (this.#wanted.size > 0) this.#request()
    if (this.#looks.size > 0) this.#schedule()
  }

  #forget(room: string, look: Look): void {
    this.#looks.delete(room)
    this.#unsettled.delete(look)
    look.settle()
    for (const node of look.copies.keys()) this.#wanted.get(node)?.delete(room)
    this.#context.interest.drop(presenceChannel(room))
  }
}
