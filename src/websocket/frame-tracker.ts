// What comes next.
const frameStart = 0
const secondByte = 1
const shortLength = 2
const longLength = 3
const maskingKey = 4
const payloadOfClose = 5
const payload = 6
/** Nothing that matters: the stream is broken, or a Close was seen. */
const over = 7

// RFC 6455 §5.2
const fin = 0x80
const rsv1 = 0x40
const reservedBits = 0x70
const opcodeBits = 0x0f
const continuation = 0x0
const binary = 0x2
const close = 0x8
const pong = 0xa
const maskBit = 0x80

const utf8 = new TextDecoder()

/** Stands for a Close without code (RFC 6455 §7.4.1). */
const noCode = 1005

/**
 * Follows one direction of a WebSocket by its frame headers (RFC 6455 §5.2): knows where frames and messages end
 * and with what the peer closes, and counts. It takes the bytes in any chunks, looks at no payload but that of a
 * Close, and copies and allocates nothing else.
 *
 * It judges framing only. What would need the payload (UTF-8, compressed data) or an opinion (message sizes,
 * which close codes may be sent) is the endpoints' business. After a Close, and once the stream is broken, it
 * counts bytes and nothing else (RFC 6455 §5.5.1, §7.1.7).
 */
export class FrameTracker {
  /** All bytes, headers included. */
  bytes = 0
  /** Complete frames, control frames included. */
  frames = 0
  /** Complete control frames: Close, Ping and Pong. */
  controlFrames = 0
  /** Complete data messages. */
  messages = 0
  /** Code of the Close: 0 before there is one, 1005 when it has none. */
  closeCode = 0
  /** What is wrong with the framing, once something is. */
  broken: string | null = null

  #stage = frameStart
  /** First byte of the frame at hand. */
  #head = 0
  /** Bytes still to come in a stage that reads several. */
  #need = 0
  /** Length of the frame at hand as far as it was read; then, how much of its payload is still to come. */
  #left = 0
  /** The masking key. */
  #key = 0
  /** Payload of the Close as far as it has come, unmasked. */
  #farewell: Uint8Array | null = null
  /** Whether a message has begun that is not complete. */
  #fragmented = false
  /** The mask bit as every frame has to carry it. */
  readonly #mask: number
  /** RSV1, if the first frame of a message may carry it. */
  readonly #optional: number

  /**
   * @param masked true for client to server, where every frame has to be masked; the other way none may be
   *   (RFC 6455 §5.1)
   * @param allowRsv1 whether an extension was negotiated that marks messages with RSV1, as permessage-deflate
   *   does in the first frame of a message (RFC 7692 §6)
   */
  constructor(masked: boolean, allowRsv1 = false) {
    this.#mask = masked ? maskBit : 0
    this.#optional = allowRsv1 ? rsv1 : 0
  }

  /** What the Close says besides its code; `''` before there is one. Made anew each time. */
  get closeReason(): string {
    return this.#farewell === null || !this.closeSeen ? '' : utf8.decode(this.#farewell.subarray(2))
  }

  /** Whether there was a Close, whole: what comes after it does not count. */
  get closeSeen(): boolean {
    return this.#stage === over && this.broken === null
  }

  /** Whether nothing that follows counts: there was a Close, or the framing is broken. */
  get over(): boolean {
    return this.#stage === over
  }

  /** Whether all bytes so far are whole frames, so that another frame may be put in here. */
  get atFrameBoundary(): boolean {
    return this.#stage === frameStart || this.closeSeen
  }

  /** The same for messages: no fragmented one is unfinished either. */
  get atMessageBoundary(): boolean {
    return this.atFrameBoundary && !this.#fragmented
  }

  /** Takes the next bytes of the stream. */
  track(chunk: Uint8Array): void {
    const end = chunk.length
    this.bytes += end
    let at = 0
    while (at < end) {
      switch (this.#stage) {
        case frameStart:
          at = this.#wholeMessages(chunk, at)
          if (at < end) this.#firstByte(chunk[at++] as number)
          break
        case payload:
          at = this.#skip(at, end)
          break
        case over:
          return
        default:
          this.#nextByte(chunk[at++] as number)
      }
    }
  }

  /**
   * The same up to the end of the frame at hand, for those who want to put another one behind it. Returns the
   * index behind what it took: the chunk's length unless the frame ended before, 0 at a frame boundary.
   */
  trackFrame(chunk: Uint8Array): number {
    const end = chunk.length
    let at = 0
    while (at < end && this.#stage !== frameStart && this.#stage !== over) {
      if (this.#stage === payload) at = this.#skip(at, end)
      else this.#nextByte(chunk[at++] as number)
    }
    if (this.broken !== null) at = end
    this.bytes += at
    return at
  }

  /**
   * The short cut for nearly all traffic: messages of one frame below 64 KiB that lie in the chunk as a whole.
   * Returns where something else begins.
   */
  #wholeMessages(chunk: Uint8Array, start: number): number {
    if (this.#fragmented) return start
    const end = chunk.length
    const mask = this.#mask
    const header = mask === 0 ? 2 : 6
    const meaningful = ~this.#optional
    let at = start
    let count = 0
    while (at + 2 <= end) {
      const head = (chunk[at] as number) & meaningful
      if (head !== 0x81 && head !== 0x82) break
      // Above 127 when the mask bit is wrong.
      let length = (chunk[at + 1] as number) ^ mask
      let next = at + header + length
      if (length > 125) {
        if (length !== 126 || at + 4 > end) break
        length = ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number)
        if (length < 126) break
        next = at + header + 2 + length
      }
      if (next > end) break
      at = next
      count++
    }
    this.messages += count
    this.frames += count
    return at
  }

  #skip(at: number, end: number): number {
    const left = this.#left
    if (left > end - at) {
      this.#left = left - (end - at)
      return end
    }
    this.#frameDone()
    return at + left
  }

  #firstByte(byte: number): void {
    this.#head = byte
    this.#stage = secondByte
    const opcode = byte & opcodeBits
    const starts = opcode !== continuation && opcode < close
    const reserved = byte & reservedBits & ~(starts ? this.#optional : 0)
    if (reserved !== 0) this.#break('a reserved bit is set')
    else if (opcode > pong || (starts && opcode > binary)) this.#break('an opcode is unknown')
    else if (opcode >= close && (byte & fin) === 0) this.#break('a control frame is fragmented')
    else if (starts && this.#fragmented) this.#break('a message begins inside another')
    else if (opcode === continuation && !this.#fragmented) this.#break('a continuation continues nothing')
  }

  /** A further byte of a header, or of a Close. */
  #nextByte(byte: number): void {
    if (this.#stage === secondByte) {
      this.#secondByte(byte)
      return
    }
    this.#need--
    if (this.#stage === maskingKey) this.#keyByte(byte)
    else if (this.#stage === payloadOfClose) this.#closeByte(byte)
    else this.#lengthByte(byte)
  }

  #secondByte(byte: number): void {
    const opcode = this.#head & opcodeBits
    const length = byte & 0x7f
    this.#left = 0
    if ((byte & maskBit) !== this.#mask) {
      this.#break(this.#mask === 0 ? 'a frame to a client is masked' : 'a frame to a server is not masked')
    } else if (opcode >= close && length > 125) {
      this.#break('a control frame is longer than 125 bytes')
    } else if (opcode === close && length === 1) {
      this.#break('a Close has half a code')
    } else if (length === 126) {
      this.#expect(shortLength, 2)
    } else if (length === 127) {
      this.#expect(longLength, 8)
    } else {
      this.#lengthKnown(length)
    }
  }

  #lengthByte(byte: number): void {
    const length = this.#left * 256 + byte
    this.#left = length
    if (this.#need !== 0) return
    // RFC 6455 §5.2: "the minimal number of bytes MUST be used".
    if (length < (this.#stage === shortLength ? 126 : 65_536)) this.#break('a length takes too many bytes')
    // The RFC forbids 2^63 and more; from 2^53 on we could not count.
    else if (length > Number.MAX_SAFE_INTEGER) this.#break('a frame is longer than 2^53 bytes')
    else this.#lengthKnown(length)
  }

  #lengthKnown(length: number): void {
    this.#left = length
    this.#key = 0
    if (this.#mask === 0) this.#headerDone()
    else this.#expect(maskingKey, 4)
  }

  #keyByte(byte: number): void {
    this.#key = (this.#key << 8) | byte
    if (this.#need === 0) this.#headerDone()
  }

  #headerDone(): void {
    if ((this.#head & opcodeBits) !== close) {
      if (this.#left === 0) this.#frameDone()
      else this.#stage = payload
    } else {
      this.#farewell = new Uint8Array(this.#left)
      if (this.#left === 0) this.#frameDone()
      else this.#expect(payloadOfClose, this.#left)
    }
  }

  #closeByte(byte: number): void {
    const farewell = this.#farewell as Uint8Array
    const at = farewell.length - 1 - this.#need
    farewell[at] = byte ^ (this.#key >>> (24 - 8 * (at & 3)))
    if (this.#need === 0) this.#frameDone()
  }

  #frameDone(): void {
    const opcode = this.#head & opcodeBits
    this.frames++
    this.#stage = frameStart
    if (opcode < close) {
      this.#fragmented = (this.#head & fin) === 0
      if (!this.#fragmented) this.messages++
      return
    }
    this.controlFrames++
    if (opcode !== close) return
    const [high, low] = this.#farewell as Uint8Array
    this.closeCode = high === undefined || low === undefined ? noCode : (high << 8) | low
    this.#stage = over
  }

  #expect(stage: number, bytes: number): void {
    this.#stage = stage
    this.#need = bytes
  }

  #break(problem: string): void {
    this.broken = problem
    this.#stage = over
  }
}
