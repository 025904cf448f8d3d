import type { ServerLimits } from './storm.ts'

/**
 * When a server is done with what arrives. All its work is serial: handshakes and refusals alike take their turn, so
 * that a server that has much to refuse has less time for those it took. A model, not a busy loop: the processor is
 * left to the proxy that is measured.
 */
export class SerialServer {
  readonly #limits: ServerLimits
  /** When it is done with all it knows of. */
  #freeAt = Number.NEGATIVE_INFINITY
  #waiting = 0

  constructor(limits: ServerLimits) {
    this.#limits = limits
  }

  /** A connection arrives. Returns when its handshake is done, or null when it is refused. */
  arrive(at: number): number | null {
    const { line, handshakeMs, refusalMs } = this.#limits
    const refused = this.#waiting >= line
    this.#freeAt = Math.max(this.#freeAt, at) + (refused ? refusalMs : handshakeMs)
    if (refused) return null
    this.#waiting++
    return this.#freeAt
  }

  /** A connection leaves the line: its handshake is done. */
  serve(): void {
    this.#waiting--
  }
}
