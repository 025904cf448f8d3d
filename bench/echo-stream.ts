import { serverClose } from './frames.ts'

/**
 * Turns the client's frames into the server's, in any split into chunks. A server frame is the client frame without
 * its masking key, so for the key 0 each chunk is answered with itself, less four bytes per frame: a short copy of
 * the head, none of the payload. Other keys are honoured by unmasking in place.
 */
export class EchoStream {
  /** True once the client's Close was answered; what follows it is ignored. */
  closed = false
  #head = new Uint8Array(14)
  #headLength = 0
  #payloadLeft = 0
  #maskOffset = 0
  #key = new Uint8Array(4)
  #masked = false

  /** The answer to the chunk; takes ownership of it, and the answer may share its memory. */
  turn(chunk: Uint8Array): Uint8Array {
    const fast = this.#turnInPlace(chunk)
    if (fast !== null) return fast
    const parts: Uint8Array[] = []
    let at = 0
    while (at < chunk.length && !this.closed) {
      if (this.#payloadLeft > 0) at = this.#copyPayload(chunk, at, parts)
      else at = this.#readHead(chunk, at, parts)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** The usual cases without a copy of the payload: the chunk is one frame with key 0 or the first or a later part of one. */
  #turnInPlace(chunk: Uint8Array): Uint8Array | null {
    if (this.#payloadLeft > 0) {
      if (this.#masked || chunk.length > this.#payloadLeft) return null
      this.#payloadLeft -= chunk.length
      return chunk
    }
    if (this.#headLength > 0 || chunk.length < 14 || (chunk[0]! & 0x0f) === 8) return null
    const short = chunk[1]! & 0x7f
    const keyAt = short === 127 ? 10 : short === 126 ? 4 : 2
    const payload = readLength(chunk)
    const present = chunk.length - keyAt - 4
    if (present > payload) return null
    if ((chunk[keyAt]! | chunk[keyAt + 1]! | chunk[keyAt + 2]! | chunk[keyAt + 3]!) !== 0) return null
    this.#masked = false
    this.#payloadLeft = payload - present
    chunk[1]! &= 0x7f
    chunk.copyWithin(4, 0, keyAt)
    return chunk.subarray(4)
  }

  #copyPayload(chunk: Uint8Array, at: number, parts: Uint8Array[]): number {
    const end = Math.min(chunk.length, at + this.#payloadLeft)
    const payload = chunk.subarray(at, end)
    if (this.#masked) {
      for (let i = 0; i < payload.length; i++) payload[i]! ^= this.#key[(this.#maskOffset + i) & 3]!
      this.#maskOffset += payload.length
    }
    parts.push(payload)
    this.#payloadLeft -= payload.length
    return end
  }

  #readHead(chunk: Uint8Array, from: number, parts: Uint8Array[]): number {
    let at = from
    while (at < chunk.length) {
      this.#head[this.#headLength++] = chunk[at++]!
      if (this.#headLength === this.#wantedHead()) {
        this.#finishHead(parts)
        break
      }
    }
    return at
  }

  #wantedHead(): number {
    if (this.#headLength < 2) return 2
    if ((this.#head[1]! & 0x80) === 0) throw new Error('a client frame came unmasked')
    const length = this.#head[1]! & 0x7f
    return 6 + (length === 126 ? 2 : length === 127 ? 8 : 0)
  }

  #finishHead(parts: Uint8Array[]): void {
    const keyAt = this.#headLength - 4
    this.#headLength = 0
    if ((this.#head[0]! & 0x0f) === 8) {
      this.closed = true
      parts.push(serverClose)
      return
    }
    this.#key.set(this.#head.subarray(keyAt, keyAt + 4))
    this.#masked = this.#key.some((byte) => byte !== 0)
    this.#maskOffset = 0
    this.#payloadLeft = readLength(this.#head)
    const answer = this.#head.slice(0, keyAt)
    answer[1]! &= 0x7f
    parts.push(answer)
  }
}

/** Payload length of a frame head that is whole. */
function readLength(head: Uint8Array): number {
  const short = head[1]! & 0x7f
  if (short < 126) return short
  const view = new DataView(head.buffer, head.byteOffset)
  return short === 126 ? view.getUint16(2) : Number(view.getBigUint64(2))
}
