import { binaryFrame } from '../frames.ts'
import { Tunnel } from './tunnel.ts'

/** The frame that is sent, and the one that must come back. */
export interface Exchange {
  readonly sent: Uint8Array
  readonly expected: Uint8Array
}

/** A message of the given size with a payload that is not all the same. */
export function exchangeOf(payloadBytes: number): Exchange {
  const payload = new Uint8Array(payloadBytes).map((_, i) => (i * 31 + (i >> 8)) & 0xff)
  return { sent: binaryFrame(payload, 'client'), expected: binaryFrame(payload, 'server') }
}

/** Told about each tunnel and each echo; one object for all tunnels of a job. */
export interface EchoObserver {
  ready(tunnel: EchoTunnel): void
  answered(tunnel: EchoTunnel): void
  lost(tunnel: EchoTunnel, error: Error | null): void
}

/**
 * A tunnel with at most one message in flight. The first echo is compared byte by byte; of the later ones the first
 * two bytes and the length, so that checking does not cost what is to be measured.
 */
export class EchoTunnel extends Tunnel {
  /** When the message in flight was due, in milliseconds of `performance.now()`. */
  sentAt = 0
  readonly #exchange: Exchange
  readonly #observer: EchoObserver
  #first: Buffer[] | null = []
  #got = 0

  constructor(exchange: Exchange, observer: EchoObserver) {
    super()
    this.#exchange = exchange
    this.#observer = observer
  }

  sendMessage(due: number): void {
    this.sentAt = due
    this.send(this.#exchange.sent)
  }

  protected override established(): void {
    this.#observer.ready(this)
  }

  protected override echoed(chunk: Buffer): void {
    const { expected } = this.#exchange
    const begins = this.#got > 0 || chunk.length < 2 || (chunk[0] === expected[0] && chunk[1] === expected[1])
    this.#got += chunk.length
    this.#first?.push(chunk)
    if (this.#got > expected.length || !begins) throw new Error('an echo is not what was sent')
    if (this.#got < expected.length) return
    if (this.#first !== null && !Buffer.concat(this.#first).equals(expected)) {
      throw new Error('the first echo is not what was sent')
    }
    this.#first = null
    this.#got = 0
    this.#observer.answered(this)
  }

  protected override closed(error: Error | null): void {
    this.#observer.lost(this, error)
  }
}
