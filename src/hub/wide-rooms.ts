import { randomUUID } from 'node:crypto'
import type { Counters } from './counters.ts'
import type { LiveConnection } from './live-connection.ts'
import type { Message } from './message.ts'
import type { Outbox } from './outbox.ts'
import type { Publisher } from './transport.ts'

/** A room of so many members is wide, until it has fewer than half as many. */
const wideFrom = 64

/**
 * After so many messages, or bytes of them, it is looked which members do not keep up: a peer that reads nothing costs
 * at most so many bytes for each of its wide rooms, besides its queue and the message after the look.
 */
const lookAfterMessages = 8
const lookAfterBytes = 16 * 1024

/** When more members than that have other messages in the same turn, each member is sent to by itself. */
const mostAside = 16

/** What wide rooms need of their hub. */
export interface WideRoomsHost {
  readonly outbox: Outbox<LiveConnection>
  readonly counters: Counters
}

/**
 * The rooms with many members, where the runtime can publish to topics: it sends a message to a thousand sockets for
 * less than a thousand calls from JavaScript cost. What is published has no queue of ours, so members that do not keep
 * up are found by looking at them from time to time, and sent to one by one until they do again.
 */
export class WideRooms {
  readonly #host: WideRoomsHost
  readonly #rooms = new Map<string, WideRoom>()
  /** Of our topics: several hubs, and the program itself, may publish on the same server. */
  readonly #prefix = `fairlead:${randomUUID()}:`

  constructor(host: WideRoomsHost) {
    this.#host = host
  }

  /** Null for a room whose members are sent to one by one. */
  of(name: string, members: Iterable<LiveConnection>): WideRoom | null {
    const known = this.#rooms.get(name)
    if (known !== undefined) return known
    if (!(members instanceof Set) || members.size < wideFrom) return null
    const [first] = members as Set<LiveConnection>
    const publisher = first?.topics?.publisher
    if (publisher === undefined) return null
    const room = new WideRoom(name, this.#prefix + name, members, publisher, this.#host)
    this.#rooms.set(name, room)
    return room
  }

  joined(connection: LiveConnection, name: string): void {
    this.#rooms.get(name)?.place(connection)
  }

  left(connection: LiveConnection, name: string): void {
    const room = this.#rooms.get(name)
    if (room === undefined) return
    room.remove(connection)
    if (room.size >= wideFrom / 2) return
    this.#rooms.delete(name)
    room.dissolve()
  }

  /** It does not keep up, or does again. */
  changed(connection: LiveConnection): void {
    if (this.#rooms.size === 0) return
    for (const name of connection.rooms) this.#rooms.get(name)?.place(connection)
  }

  /** Messages that were published to its rooms: a number that grows while it is in them. */
  published(connection: LiveConnection): number {
    let sum = 0
    for (const name of connection.rooms) sum += this.#rooms.get(name)?.published ?? 0
    return sum
  }
}

/** What became of a message to a wide room. */
interface Published {
  /** Members that it was published to. */
  readonly reached: number
  /** The others, who have to be looked at one by one. */
  readonly rest: ReadonlySet<LiveConnection>
}

/** A room whose members are subscribed to a topic of the runtime, but for some that are sent to one by one. */
class WideRoom {
  readonly #name: string
  readonly #topic: string
  readonly #members: ReadonlySet<LiveConnection>
  readonly #publisher: Publisher
  readonly #host: WideRoomsHost
  /** Members that are not subscribed. */
  readonly #apart = new Set<LiveConnection>()
  #published = 0
  /** Since it was looked who keeps up. */
  #messages = 0
  #bytes = 0

  /** @param members of the room: as it changes, this hears of it by `place` and `remove` */
  constructor(
    name: string,
    topic: string,
    members: ReadonlySet<LiveConnection>,
    publisher: Publisher,
    host: WideRoomsHost,
  ) {
    this.#name = name
    this.#topic = topic
    this.#members = members
    this.#publisher = publisher
    this.#host = host
    for (const member of members) this.place(member)
  }

  get size(): number {
    return this.#members.size
  }

  get published(): number {
    return this.#published
  }

  /** Subscribes a member, or sets it apart, as it has to be now. */
  place(member: LiveConnection): void {
    const { topics, isBehind, had } = member
    if (topics?.publisher === this.#publisher && !isBehind && had?.has(this.#name) !== true) {
      this.#apart.delete(member)
      topics.subscribe(this.#topic)
    } else if (!this.#apart.has(member)) {
      this.#apart.add(member)
      topics?.unsubscribe(this.#topic)
    }
  }

  remove(member: LiveConnection): void {
    if (!this.#apart.delete(member)) member.topics?.unsubscribe(this.#topic)
  }

  dissolve(): void {
    for (const member of this.#members) this.remove(member)
  }

  /**
   * Publishes a message to as many members as it can, in the place that it has among what they are sent.
   * @param except who does not get it; when it is a member, it is one of the rest
   */
  publish(message: Message, except: LiveConnection | undefined): Published {
    this.#look(message.size)
    const aside = this.#aside(except)
    if (aside === null) return { reached: 0, rest: this.#members }
    for (const member of aside) member.topics?.unsubscribe(this.#topic)
    this.#publisher.publish(this.#topic, message)
    for (const member of aside) member.topics?.subscribe(this.#topic)
    // Sending to one of them may close it, and with it the room is wide no more, or others are found to be slow.
    const rest = this.#apart.size + aside.size === 0 ? none : new Set([...this.#apart, ...aside])
    const reached = this.#members.size - rest.size
    const { counters } = this.#host
    counters.messagesOut += reached
    counters.bytesOut += reached * message.size
    this.#published++
    return { reached, rest }
  }

  /**
   * Subscribed members that may not get what is published now: one that is excepted, and those for whom other messages
   * wait for the end of the turn, which were sent before. Null: there are too many.
   */
  #aside(except: LiveConnection | undefined): ReadonlySet<LiveConnection> | null {
    const { waiting } = this.#host.outbox
    // To find out who is a member would take longer than to send to each.
    if (waiting.length > this.#members.size) return null
    let aside: Set<LiveConnection> | null = null
    for (const member of except === undefined ? waiting : [except, ...waiting]) {
      if (!this.#members.has(member) || this.#apart.has(member)) continue
      aside ??= new Set()
      aside.add(member)
      if (aside.size > mostAside) return null
    }
    return aside ?? none
  }

  /** Finds those who do not keep up, now and then. */
  #look(bytes: number): void {
    this.#messages++
    this.#bytes += bytes
    if (this.#messages < lookAfterMessages && this.#bytes < lookAfterBytes) return
    this.#messages = 0
    this.#bytes = 0
    for (const member of this.#members) member.look()
  }
}

const none: ReadonlySet<LiveConnection> = new Set()
