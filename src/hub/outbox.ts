import { Batch } from './batch.ts'
import type { Message } from './message.ts'

/** Somebody with messages that wait for the end of the turn. */
export interface OutboxMember {
  /** Writes what waits. Does not throw. */
  flush(): void
}

/**
 * Gathers what is sent within one turn of the event loop, so that each connection is written to once. The turn ends
 * when everything that the kernel had ready has been handled: also what several clients sent at the same time, and
 * what was sent between two awaits, leaves together.
 */
export class Outbox<Member extends OutboxMember> {
  #members: Member[] = []
  #scheduled = false
  #first: Batch | null = null
  readonly #flush = (): void => this.flush()

  /** Those that are flushed at the end of this turn. */
  get waiting(): readonly Member[] {
    return this.#members
  }

  /** The batch of just this message. */
  batch(message: Message): Batch {
    if (this.#first === null || this.#first.last !== message) this.#first = new Batch(null, message)
    return this.#first
  }

  /** Has `member` flushed at the end of this turn. Once for each turn. */
  add(member: Member): void {
    this.#members.push(member)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  flush(): void {
    const members = this.#members
    this.#members = []
    this.#scheduled = false
    this.#first = null
    let at = 0
    try {
      for (const member of members) {
        at++
        member.flush()
      }
    } finally {
      // Should one throw after all, those behind it are not kept from sending for good.
      if (at < members.length) for (const member of members.slice(at)) this.add(member)
    }
  }
}
