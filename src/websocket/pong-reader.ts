import { FrameTracker } from './frame-tracker.ts'

const finalPong = 0x8a
// RFC 6455 §5.5: a header of two bytes and at most 125 of payload.
const longestControlFrame = 127

/** Waits on the server's side of a WebSocket for the Pong that answers our Ping (RFC 6455 §5.5.3). */
export class PongReader {
  readonly #payload: Uint8Array
  readonly #tracker = new FrameTracker(false)
  /** The frame at hand, as far as a control frame can be long. */
  readonly #frame = new Uint8Array(longestControlFrame)
  #length = 0

  /** @param payload what the Ping carried, at most 125 bytes */
  constructor(payload: Uint8Array) {
    this.#payload = payload
  }

  /** Takes the next bytes. Null once the Pong has come, what is wrong if it cannot come, else undefined. */
  read(chunk: Uint8Array): string | null | undefined {
    const tracker = this.#tracker
    let at = 0
    while (at < chunk.length) {
      const start = at
      // The tracker stays at a boundary until it is given the first byte of the next frame.
      if (tracker.atFrameBoundary) tracker.track(chunk.subarray(at, ++at))
      at += tracker.trackFrame(chunk.subarray(at))
      this.#hold(chunk, start, at)
      if (tracker.broken !== null) return `it broke the framing: ${tracker.broken}`
      if (tracker.closeSeen) return `it closed with code ${tracker.closeCode} instead of answering the ping`
      if (!tracker.atFrameBoundary) return undefined
      if (this.#isAnswer()) return null
      this.#length = 0
    }
    return undefined
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    const part = chunk.subarray(start, Math.min(end, start + longestControlFrame - this.#length))
    this.#frame.set(part, this.#length)
    this.#length += part.length
  }

  #isAnswer(): boolean {
    const payload = this.#payload
    if (this.#frame[0] !== finalPong || this.#length !== payload.length + 2) return false
    return payload.every((byte, index) => this.#frame[index + 2] === byte)
  }
}
