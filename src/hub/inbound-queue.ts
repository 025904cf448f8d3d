/** How much may wait for a handler before the socket is paused. */
export interface InboundLimits {
  readonly messages: number
  readonly bytes: number
  /** Bytes of one message, at most. */
  readonly maxMessage: number
}

/** What the runtimes read at once, and more. */
const oneRead = 1024 * 1024

/**
 * Messages that have arrived and wait for the one before them to be handled. It takes everything: who asks `full`
 * after each push and pauses the socket then bounds it by the limits and one read of the runtime, unless what was read
 * was compressed: then it can be a thousand times as much, and `flooded` says so.
 */
export class InboundQueue {
  readonly #limits: InboundLimits
  #waiting: (string | Uint8Array)[] = []
  #head = 0
  #bytes = 0

  constructor(limits: InboundLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#waiting.length - this.#head
  }

  /** Units of text and bytes of the others. */
  get bytes(): number {
    return this.#bytes
  }

  /** As much waits as may. */
  get full(): boolean {
    return this.count >= this.#limits.messages || this.#bytes >= this.#limits.bytes
  }

  /** More waits than one read and the rest of a message can bring, as they are on the wire. */
  get flooded(): boolean {
    return this.#bytes > this.#limits.bytes + this.#limits.maxMessage + oneRead
  }

  /** No more than half of it waits, so reading is worth while again. */
  get low(): boolean {
    return this.count * 2 <= this.#limits.messages && this.#bytes * 2 <= this.#limits.bytes
  }

  push(data: string | Uint8Array): void {
    this.#waiting.push(data)
    this.#bytes += data.length
  }

  /** The oldest; undefined when there is none. */
  shift(): string | Uint8Array | undefined {
    if (this.#head === this.#waiting.length) return undefined
    const data = this.#waiting[this.#head] as string | Uint8Array
    this.#waiting[this.#head++] = ''
    this.#bytes -= data.length
    if (this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    return data
  }

  clear(): void {
    this.#waiting = []
    this.#head = 0
    this.#bytes = 0
  }
}
