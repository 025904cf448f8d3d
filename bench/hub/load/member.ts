import { clientPong } from '../../frames.ts'
import { Tunnel } from '../../load/tunnel.ts'
import type { Role } from '../roles.ts'
import type { Dialect } from './dialect.ts'
import { FrameCounter } from './frame-counter.ts'

/** Told about each client; one object for all clients of a job. */
export interface MemberObserver {
  ready(member: Member): void
  /** Messages came, all in one piece of bytes. */
  received(member: Member, messages: number): void
  lost(member: Member, error: Error | null): void
}

/** A client of a hub. The first message is compared with what was sent; of the others only the framing is checked. */
export class Member extends Tunnel {
  /** Messages so far. */
  messages = 0
  readonly #dialect: Dialect
  readonly #observer: MemberObserver
  readonly #frames = new FrameCounter()
  #expected: string | null
  #welcomes: number

  constructor(role: Role, dialect: Dialect, expected: string | null, observer: MemberObserver) {
    super(dialect.request(role))
    this.#dialect = dialect
    this.#expected = expected
    this.#observer = observer
    this.#welcomes = dialect.welcomes
  }

  /** Sends a frame that does not change until it is gone. */
  say(frame: Uint8Array): void {
    this.send(frame)
  }

  protected override established(): void {
    const { greeting } = this.#dialect
    if (greeting !== null) this.send(greeting)
    if (this.#welcomes === 0) this.#observer.ready(this)
  }

  protected override echoed(chunk: Buffer): void {
    let messages = this.#frames.count(chunk)
    if (this.#frames.pings > 0) {
      this.#frames.pings = 0
      this.send(clientPong)
    }
    if (messages === 0) return
    if (this.#welcomes > 0) {
      const welcomes = Math.min(this.#welcomes, messages)
      this.#welcomes -= welcomes
      messages -= welcomes
      if (this.#welcomes === 0) this.#observer.ready(this)
      if (messages === 0) return
    }
    if (this.#expected !== null) {
      if (!chunk.includes(this.#expected)) throw new Error('the first message is not what was sent')
      this.#expected = null
    }
    this.messages += messages
    this.#observer.received(this, messages)
  }

  protected override closed(error: Error | null): void {
    this.#observer.lost(this, error)
  }
}
