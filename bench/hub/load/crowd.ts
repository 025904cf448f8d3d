import { Connection } from '../../load/connection.ts'
import { Fleet } from '../../load/fleet.ts'
import type { Role } from '../roles.ts'
import { type DialectName, dialects } from './dialect.ts'
import { Member, type MemberObserver } from './member.ts'

const openingAtOnce = 64
const readyDeadlineMs = 50_000
const stuckMs = 10_000

/** Who is to come, and where. */
export interface Gathering {
  /** Of the nodes; members are spread evenly. */
  readonly ports: readonly number[]
  readonly dialect: DialectName
  readonly role: Role
  readonly count: number
  /** What each first message must hold. */
  readonly text: string
}

/** Clients of one or several servers, and how many messages they have received together. */
export class Crowd implements MemberObserver {
  received: MemberObserver['received'] = (_, messages) => this.#deliver(messages)
  readonly #gathering: Gathering
  readonly #fleet = new Fleet<Member>()
  #left: number
  #delivered = 0
  #due = Number.POSITIVE_INFINITY
  #reached = Promise.withResolvers<void>()

  private constructor(gathering: Gathering) {
    this.#gathering = gathering
    this.#left = gathering.count
  }

  /** Resolves when all are there. */
  static async gather(gathering: Gathering): Promise<Crowd> {
    const crowd = new Crowd(gathering)
    for (let i = 0; i < Math.min(openingAtOnce, gathering.count); i++) crowd.#dial()
    try {
      await crowd.#fleet.whenReady(readyDeadlineMs)
    } catch (error) {
      await crowd.#fleet.endAll()
      throw error
    }
    return crowd
  }

  get members(): ReadonlySet<Member> {
    return this.#fleet.members
  }

  /** Messages received so far. */
  get delivered(): number {
    return this.#delivered
  }

  /** Resolves when so many messages have come since the beginning; rejects when a client is lost or nothing comes. */
  async untilDelivered(count: number): Promise<void> {
    if (this.#delivered >= count) return
    this.#due = count
    this.#reached = Promise.withResolvers()
    const timer = setTimeout(() => {
      this.#fleet.fail(`${count - this.#delivered} messages have not come in ${stuckMs} ms`)
    }, stuckMs)
    try {
      await this.#fleet.unlessFailed(this.#reached.promise)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends all of them in order. Rejects when one was lost meanwhile. */
  async disperse(): Promise<void> {
    const lost = this.#fleet.unlessFailed(Promise.resolve())
    await this.#fleet.endAll()
    await lost
  }

  ready(): void {
    if (this.#left > 0) this.#dial()
    this.#fleet.ready()
  }

  lost(member: Member, error: Error | null): void {
    this.#fleet.lost(member, error)
  }

  /** Counts messages; for those who listen themselves. */
  deliver(messages: number): void {
    this.#deliver(messages)
  }

  #deliver(messages: number): void {
    this.#delivered += messages
    if (this.#delivered < this.#due) return
    this.#due = Number.POSITIVE_INFINITY
    this.#reached.resolve()
  }

  #dial(): void {
    const { ports, dialect, role, text } = this.#gathering
    const port = ports[this.#left-- % ports.length]!
    this.#fleet.dial(new Member(role, dialects[dialect], text, this), port, Connection.dial)
  }
}
