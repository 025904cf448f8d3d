import type { FrameTracker } from './frame-tracker.ts'

/** Payload of our pings: a mark that anyone can recognise, a secret of the leg, and a number. */
const mark = new TextEncoder().encode('fairlead')
const secretLength = 6
const numberAt = mark.length + secretLength
const payloadLength = numberAt + 2

// RFC 6455 §5.2
const pongHead = 0x8a
const maskBit = 0x80

/** Where the filter puts what it found. */
export interface PongSink {
  /** The next bytes of the stream without our pongs; the tracker has followed them. */
  pass(bytes: Uint8Array): void
  /** The pong to our ping of this number, modulo 2^16, came and is gone. */
  answered(number: number): void
}

/**
 * Cuts the pongs to our own pings out of one direction of a WebSocket, and nothing else: a pong to a ping of the
 * other endpoint (RFC 6455 §5.5.3) differs in its payload. Looks for them at frame boundaries only, so bytes of a
 * message that look like one pass. The start of what may be ours is held back until it is decided.
 *
 * Walks from frame to frame, which costs more than tracking: meant for the moments between a ping and its pong.
 */
export class PongFilter {
  readonly #tracker: FrameTracker
  readonly #secret: Uint8Array
  readonly #header: number
  readonly #second: number
  readonly #held: Uint8Array
  #heldLength = 0

  /**
   * @param tracker of the direction; from the first call on it is fed by the filter while there is one
   * @param masked whether the peer masks, as clients do
   * @param secret six random bytes of this leg alone, so that pings passed on from the other leg never match
   */
  constructor(tracker: FrameTracker, masked: boolean, secret: Uint8Array) {
    this.#tracker = tracker
    this.#secret = secret
    this.#header = masked ? 6 : 2
    this.#second = (masked ? maskBit : 0) | payloadLength
    this.#held = new Uint8Array(this.#header + payloadLength)
  }

  /** Whether bytes are held back: the next ones have to come through the filter as well. */
  get holding(): boolean {
    return this.#heldLength > 0
  }

  /** Takes the next bytes of the stream. */
  filter(chunk: Uint8Array, sink: PongSink): void {
    const end = chunk.length
    let at = this.#heldLength > 0 ? this.#match(chunk, 0, sink) : 0
    while (at < end) {
      const cut = this.#nextPong(chunk, at)
      if (cut > at) sink.pass(chunk.subarray(at, cut))
      at = this.#match(chunk, cut, sink)
    }
  }

  /** Gives up what is held back, untracked. Empty unless the stream stopped within what may have been ours. */
  release(): Uint8Array {
    const held = this.#held.slice(0, this.#heldLength)
    this.#heldLength = 0
    return held
  }

  /** Follows whole frames up to one that may be our pong; returns where it begins, or the chunk's length. */
  #nextPong(chunk: Uint8Array, start: number): number {
    const tracker = this.#tracker
    const end = chunk.length
    let at = start
    while (at < end) {
      if (tracker.closeSeen || tracker.broken !== null) {
        tracker.track(chunk.subarray(at))
        return end
      }
      if (tracker.atFrameBoundary) {
        if (chunk[at] === pongHead && (at + 1 === end || chunk[at + 1] === this.#second)) return at
        tracker.track(chunk.subarray(at, ++at))
      }
      at += tracker.trackFrame(chunk.subarray(at))
    }
    return end
  }

  /** Compares from a frame boundary or within what is held; returns the index of the first byte it did not take. */
  #match(chunk: Uint8Array, start: number, sink: PongSink): number {
    const held = this.#held
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (!this.#fits(byte)) {
        const others = this.release()
        this.#tracker.track(others)
        sink.pass(others)
        return at
      }
      held[this.#heldLength++] = byte
      if (this.#heldLength < held.length) continue
      this.#heldLength = 0
      sink.answered((this.#plain(numberAt) << 8) | this.#plain(numberAt + 1))
      return at + 1
    }
    return chunk.length
  }

  /** Whether our pong may go on with this byte. */
  #fits(byte: number): boolean {
    const position = this.#heldLength
    if (position === 0) return byte === pongHead
    if (position === 1) return byte === this.#second
    const header = this.#header
    const index = position - header
    // The masking key, and the number: a late pong to an earlier ping is ours as well.
    if (index < 0 || index >= numberAt) return true
    return (
      this.#unmasked(byte, index) === (index < mark.length ? mark[index] : this.#secret[index - mark.length])
    )
  }

  /** A byte of the payload that is held. */
  #plain(index: number): number {
    return this.#unmasked(this.#held[this.#header + index] as number, index)
  }

  #unmasked(byte: number, index: number): number {
    return this.#header === 2 ? byte : byte ^ (this.#held[2 + (index & 3)] as number)
  }
}

/** The payload of a ping whose pong the filter with this secret takes out. */
export function pingPayload(secret: Uint8Array, number: number): Uint8Array {
  const payload = new Uint8Array(payloadLength)
  payload.set(mark)
  payload.set(secret, mark.length)
  payload[numberAt] = number >> 8
  payload[numberAt + 1] = number
  return payload
}

/** Random bytes for one leg. */
export function pingSecret(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(secretLength))
}
