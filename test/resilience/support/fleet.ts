import { type Captain, Member, partings } from './member.ts'

/** Dials under way at a time, however many want in. */
const mostDials = 200

/** What became of the clients so far. */
export interface FleetReport {
  /** Tunnels by the name of their server. */
  readonly live: Readonly<Record<string, number>>
  /** Tunnels that were opened. */
  readonly opened: number
  /** Tunnels that ended without the client's doing, by server and how: `a reset`, `b close 1012`. */
  readonly losses: Readonly<Record<string, number>>
  /** Attempts without a tunnel, by status or how they ended. */
  readonly refusals: Readonly<Record<string, number>>
}

/** Clients who come back when they lose their tunnel, until they are told to leave. */
export class Fleet implements Captain {
  readonly #port: number
  readonly #inside = new Map<Member, number>()
  /** The same, in no order, to choose one by its number. */
  readonly #members: Member[] = []
  readonly #losses: Record<string, number> = {}
  readonly #refusals: Record<string, number> = {}
  #opened = 0
  #dialling = 0
  #wanted = 0
  #leaving = 0
  #turn = 0
  #tell: () => void = () => {}

  constructor(port: number) {
    this.#port = port
  }

  get report(): FleetReport {
    const live: Record<string, number> = {}
    for (const { server } of this.#inside.keys()) live[server] = (live[server] ?? 0) + 1
    return { live, opened: this.#opened, losses: this.#losses, refusals: this.#refusals }
  }

  /** How many there shall be from now on; more come, none leave. */
  want(count: number): void {
    this.#wanted = count
    this.#dial()
  }

  /** So many leave, each in another way than the one before; others come for them as long as they are wanted. */
  renew(count: number): void {
    for (let i = 0; i < count && this.#members.length > 0; i++) {
      this.#leave(this.#members[Math.floor(Math.random() * this.#members.length)] as Member)
    }
    this.#dial()
  }

  /** All leave and nobody comes any more. */
  disband(): void {
    this.#wanted = 0
    while (this.#members.length > 0) this.#leave(this.#members[0] as Member)
  }

  /** Everybody says something that needs no answer. */
  speak(): void {
    for (const member of this.#members) member.speak()
  }

  /** Resolves when as many are in as are wanted and nobody is on the way in or out. */
  async settled(): Promise<void> {
    while (this.#dialling > 0 || this.#leaving > 0 || this.#members.length !== this.#wanted) {
      await new Promise<void>((resolve) => {
        this.#tell = resolve
      })
    }
  }

  entered(member: Member): void {
    this.#dialling--
    this.#opened++
    this.#inside.set(member, this.#members.length)
    this.#members.push(member)
    this.#dial()
    this.#tell()
  }

  refused(_member: Member, why: string): void {
    this.#dialling--
    this.#refusals[why] = (this.#refusals[why] ?? 0) + 1
    // Not at once: whoever refuses everybody would be asked without a pause.
    setTimeout(() => this.#dial(), 20)
  }

  gone(member: Member, how: string | null): void {
    if (how === null) {
      this.#leaving--
    } else {
      this.#forget(member)
      const loss = `${member.server} ${how}`
      this.#losses[loss] = (this.#losses[loss] ?? 0) + 1
    }
    this.#dial()
    this.#tell()
  }

  #leave(member: Member): void {
    this.#forget(member)
    this.#leaving++
    member.leave(partings[this.#turn++ % partings.length] as 'close')
  }

  #forget(member: Member): void {
    const at = this.#inside.get(member) as number
    const last = this.#members.pop() as Member
    if (last !== member) {
      this.#members[at] = last
      this.#inside.set(last, at)
    }
    this.#inside.delete(member)
  }

  #dial(): void {
    while (this.#dialling < mostDials && this.#members.length + this.#dialling < this.#wanted) {
      this.#dialling++
      new Member(this.#port, this)
    }
  }
}
