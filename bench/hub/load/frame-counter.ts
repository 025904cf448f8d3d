const ping = 0x9
const longestHead = 10

/** Counts the messages in what a server sends, however its bytes are cut. */
export class FrameCounter {
  /** Pings since somebody set this to 0. */
  pings = 0
  #head: Buffer | null = null
  #opcode = -1
  #bodyLeft = 0

  /**
   * How many messages are complete with this chunk.
   * @throws Error when the frames are masked or fragmented, which none of the servers has a reason for
   */
  count(chunk: Buffer): number {
    const bytes = this.#head === null ? chunk : Buffer.concat([this.#head, chunk])
    this.#head = null
    let at = 0
    let messages = 0
    while (true) {
      const taken = Math.min(this.#bodyLeft, bytes.length - at)
      at += taken
      this.#bodyLeft -= taken
      if (this.#bodyLeft > 0) return messages
      if (this.#opcode === ping) this.pings++
      if (this.#opcode === 1 || this.#opcode === 2) messages++
      this.#opcode = -1
      if (at === bytes.length) return messages
      const length = this.#readHead(bytes, at)
      if (length === 0) {
        this.#head = Buffer.from(bytes.subarray(at))
        return messages
      }
      at += length
    }
  }

  /** Length of the head that begins there; 0 when it is not complete. */
  #readHead(bytes: Buffer, at: number): number {
    const there = bytes.length - at
    if (there < 2) return 0
    const [first, second] = [bytes[at]!, bytes[at + 1]!]
    if ((first & 0xf0) !== 0x80 || first === 0x80 || (second & 0x80) !== 0) {
      throw new Error(`a server sent a frame that begins with ${first.toString(16)} ${second.toString(16)}`)
    }
    const length = second < 126 ? 2 : second === 126 ? 4 : longestHead
    if (there < length) return 0
    this.#opcode = first & 0x0f
    this.#bodyLeft =
      length === 2
        ? second
        : length === 4
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2))
    return length
  }
}
