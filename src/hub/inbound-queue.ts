/** How much may wait for a handler before the socket is paused. */
export interface InboundLimits {
  readonly messages: number
  readonly bytes: number
}

/**
 * Messages that have arrived and wait for the one before them to be handled. It takes everything: who asks `full`
 * after each push and pauses the socket then bounds it by the limits and one read of the runtime.
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
