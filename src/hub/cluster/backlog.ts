import type { PlacedPayload } from '../history-envelope.ts'

/** Messages of one room, in the order in which they came, bounded in number and in bytes. */
export class Backlog {
  readonly #most: number
  readonly #mostBytes: number
  #messages: PlacedPayload[] = []
  #bytes = 0

  /** @param mostBytes of payloads */
  constructor(most: number, mostBytes: number) {
    this.#most = most
    this.#mostBytes = mostBytes
  }

  get messages(): readonly PlacedPayload[] {
    return this.#messages
  }

  /** Whether there was room for it. */
  push(message: PlacedPayload): boolean {
    if (this.#messages.length >= this.#most) return false
    if (this.#bytes + message.payload.length > this.#mostBytes) return false
    this.#add(message)
    return true
  }

  /** The oldest make room for it: more of them than it takes, so that not every message moves all others. */
  slide(message: PlacedPayload): void {
    this.#add(message)
    if (this.#messages.length <= this.#most && this.#bytes <= this.#mostBytes) return
    let gone = Math.ceil(this.#messages.length / 4)
    let bytes = 0
    for (const [index, { payload }] of this.#messages.entries()) {
      if (index >= gone && this.#bytes - bytes <= this.#mostBytes) break
      gone = Math.max(gone, index + 1)
      bytes += payload.length
    }
    this.#messages.splice(0, gone)
    this.#bytes -= bytes
  }

  keep(wanted: (message: PlacedPayload, index: number) => boolean): void {
    this.#messages = this.#messages.filter(wanted)
    this.#bytes = this.#messages.reduce((sum, { payload }) => sum + payload.length, 0)
  }

  /** All of them; it is empty then. */
  take(): readonly PlacedPayload[] {
    const messages = this.#messages
    this.#messages = []
    this.#bytes = 0
    return messages
  }

  #add(message: PlacedPayload): void {
    this.#messages.push(message)
    this.#bytes += message.payload.length
  }
}
