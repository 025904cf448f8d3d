import type { Message } from './message.ts'

/**
 * Messages in order that leave together. Connections that get the same messages within one turn of the event loop
 * share one batch, and with it the bytes that are written: it is a tree whose paths are what connections get, and each
 * connection holds a single pointer into it.
 */
export class Batch {
  readonly before: Batch | null
  readonly last: Message
  readonly count: number
  /** Of the messages, without framing. */
  readonly bytes: number
  /** The one that was made last from this one: a broadcast asks for the same one again for each member. */
  #next: Batch | null = null
  #frames: Buffer | null = null

  constructor(before: Batch | null, last: Message) {
    this.before = before
    this.last = last
    this.count = before === null ? 1 : before.count + 1
    this.bytes = before === null ? last.size : before.bytes + last.size
  }

  /** This one and a further message. */
  with(message: Message): Batch {
    const next = this.#next
    if (next !== null && next.last === message) return next
    this.#next = new Batch(this, message)
    return this.#next
  }

  /** All frames in one piece. */
  frames(): Buffer {
    if (this.before === null) return this.last.frame()
    this.#frames ??= Buffer.concat(this.messages().map((message) => message.frame()))
    return this.#frames
  }

  /** From the first to the last. */
  messages(): Message[] {
    const messages = new Array<Message>(this.count)
    let at = this.count
    for (let batch: Batch | null = this; batch !== null; batch = batch.before) messages[--at] = batch.last
    return messages
  }
}
