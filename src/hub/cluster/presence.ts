import type { Clock } from '../clock.ts'
import type { Relayed } from '../local.ts'
import { nodeChannel, presenceChannel } from './channels.ts'
import type { Envelope, NodeMessage } from './envelope.ts'
import type { Interest } from './interest.ts'
import { Look, type Told } from './look.ts'
import type { Members } from './members.ts'
import { OwnPresence } from './own-presence.ts'
import type { Page } from './paged-set.ts'
import type { Missing } from './questions.ts'
import { SnapshotAnswers } from './snapshot-answers.ts'
import { SnapshotRequests } from './snapshot-requests.ts'

/** Between two looks at what is due. */
const tick = 1_000
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
  /** From 0 to below 1. */
  readonly random: () => number
  say(channel: string, message: NodeMessage): Promise<Relayed>
  joined(room: string, user: string): void
  left(room: string, user: string): void
}

/** What is known of a room. `missing` are nodes of whose users something else may be true now. */
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
  readonly #requests: SnapshotRequests
  readonly #answers: SnapshotAnswers
  /** Rooms that are looked at all the time. */
  readonly #watched = new Set<string>()
  /** When those who wait for a look settle anyway. */
  readonly #unsettled = new Map<Look, number>()
  /** Whether nothing is heard. */
  #down = true
  /** Whether the registry has told which nodes there are, and whether they could be heard since this node began. */
  #listed = false
  #heard = false
  #flushing = false
  #asking = false
  #cancel: (() => void) | null = null
  /** Snapshots that had to be asked for because a change was missed. */
  resyncs = 0

  constructor(context: PresenceContext) {
    this.#context = context
    this.#own = new OwnPresence(context.digestAfter)
    this.#requests = new SnapshotRequests(
      (node, rooms) => void context.say(nodeChannel(node), { kind: 'sync', rooms }),
      context.random,
    )
    this.#answers = new SnapshotAnswers(
      (room) => this.#own.snapshot(room),
      (node, rooms) => context.say(nodeChannel(node), { kind: 'snapshot', rooms }),
    )
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
    const stays = this.#own.occupied(room) || this.#watched.has(room)
    this.#look(room).until = stays ? null : this.#context.clock.now() + lookFor
    if (this.#flushing) return
    this.#flushing = true
    this.#context.clock.soon(() => this.#flush())
  }

  /** Looks at a room from now on, also while nobody of this node is in it. */
  watch(room: string): void {
    this.#watched.add(room)
    this.#look(room).until = null
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
      this.#answers.asked(node, message.rooms)
      return
    }
    // Of a node that the registry has not told of yet nothing is kept: it is asked for everything when it joins.
    if (!this.#context.members.isLife(node, incarnation)) return
    if (message.kind === 'delta' || message.kind === 'digest') this.#apply(node, message)
    else if (message.kind === 'snapshot') {
      this.#requests.progress(node, this.#context.clock.now())
      for (const part of message.rooms) this.#apply(node, part)
    }
  }

  nodeJoined(node: string): void {
    for (const [room, look] of this.#looks) this.#follow(room, look, node)
  }

  nodeLeft(node: string): void {
    this.#requests.forget(node)
    for (const look of this.#looks.values()) look.drop(node)
    this.#schedule()
  }

  /** The registry has told of all nodes. */
  listed(): void {
    if (this.#listed) return
    this.#listed = true
    this.#begin()
  }

  /** For the first time the others are known and heard: those who are at them were there before. */
  #begin(): void {
    if (!this.#listed || !this.#heard) return
    for (const look of this.#looks.values()) {
      look.reopen()
      this.#settleLater(look)
      look.check()
    }
  }

  /** Nothing is heard until `up`: nobody waits for it. */
  down(): void {
    this.#down = true
    for (const look of this.#looks.values()) look.release()
  }

  /** The bus is back: whatever was said meanwhile went unheard, and what this node said may have been. */
  up(): void {
    this.#down = false
    this.#own.hurry(this.#context.clock.now())
    this.#requests.restart()
    this.#schedule()
    if (!this.#heard) {
      this.#heard = true
      this.#begin()
    }
    for (const [room, look] of this.#looks) {
      for (const [node, copy] of look.copies) {
        copy.doubt()
        this.#want(node, room)
      }
    }
  }

  close(): void {
    this.#cancel?.()
    this.#down = true
    this.#answers.close()
    for (const look of this.#looks.values()) {
      look.settle()
      look.release()
    }
  }

  async #ask<T>(room: string, read: (look: Look) => T): Promise<Present<T>> {
    const { clock, timeout } = this.#context
    const look = this.#look(room)
    if (look.until !== null) look.until = clock.now() + lookFor
    let late = false
    let stop = () => {}
    const cancel = clock.after(timeout, () => {
      late = true
      stop()
    })
    // Nobody is waited for who cannot be heard. A node that takes a new lease meanwhile is known no more, and asked anew.
    while (!late && !this.#down && !look.complete) {
      const waiting = look.wait()
      stop = waiting.stop
      await waiting.known
    }
    cancel()
    return { value: read(look), missing: this.#missing(look) }
  }

  #missing(look: Look): Missing[] {
    const { members } = this.#context
    const missing: Missing[] = members.strangers.map((node) => ({ node, reason: 'unreachable' }))
    for (const [node, copy] of look.copies) {
      // What a node told last may be old when it is silent, or cannot be heard.
      if (this.#down) missing.push({ node, reason: 'unreachable' })
      else if (members.suspects(node)) missing.push({ node, reason: 'suspected' })
      else if (!copy.known) missing.push({ node, reason: 'timeout' })
    }
    return missing
  }

  #apply(node: string, message: Told): void {
    const look = this.#looks.get(message.room)
    const copy = look?.copies.get(node)
    if (look === undefined || copy === undefined) return
    if (look.apply(node, message)) this.resyncs += 1
    if (!copy.known) this.#want(node, message.room)
    else if (this.#requests.done(node, message.room)) this.#askSoon()
  }

  #look(room: string): Look {
    const found = this.#looks.get(room)
    if (found !== undefined) return found
    const { clock, grace, interest, members } = this.#context
    const look = new Look(
      grace,
      () => clock.now(),
      () => this.#listed && this.#heard,
      (user) => this.#context.joined(room, user),
    )
    this.#looks.set(room, look)
    look.until = clock.now() + lookFor
    for (const [user, devices] of this.#own.users(room)) look.change(user, devices)
    for (const node of members.others) look.follow(node, members.incarnation(node) ?? 0)
    this.#settleLater(look)
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
    this.#requests.want(node, room)
    this.#schedule()
    this.#askSoon()
  }

  #askSoon(): void {
    if (this.#asking) return
    this.#asking = true
    this.#context.clock.soon(() => {
      this.#asking = false
      this.#requests.run(this.#context.clock.now())
    })
  }

  #settleLater(look: Look): void {
    this.#unsettled.delete(look)
    this.#unsettled.set(look, this.#context.clock.now() + this.#context.timeout)
    this.#schedule()
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
    this.#requests.run(now)
    if (this.#looks.size > 0 || this.#own.owes || this.#requests.pending) this.#schedule()
  }

  #forget(room: string, look: Look): void {
    this.#looks.delete(room)
    this.#unsettled.delete(look)
    look.settle()
    for (const node of look.copies.keys()) this.#requests.done(node, room)
    this.#context.interest.drop(presenceChannel(room))
  }
}
