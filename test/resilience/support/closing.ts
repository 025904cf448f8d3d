/**
 * Finds the Close in one direction of a tunnel whose frames are all short (at most 125 bytes, RFC 6455 §5.2), however
 * they were cut into chunks. Shares nothing with the code under test.
 */
export class Closing {
  #held: Buffer | null = null

  /** The code of the Close that came, or null. 1005 when it has none (RFC 6455 §7.1.5). */
  read(chunk: Buffer): number | null {
    let rest = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = null
    while (rest.length >= 2) {
      const [first = 0, second = 0] = rest
      const mask = second & 0x80 ? 4 : 0
      const length = second & 0x7f
      if (length > 125) throw new Error('a frame is longer than any that was sent')
      const end = 2 + mask + length
      if (rest.length < end) break
      if ((first & 15) === 8) return length < 2 ? 1005 : codeOf(rest, mask)
      rest = rest.subarray(end)
    }
    // Copied: a chunk may be cut from a large buffer.
    if (rest.length > 0) this.#held = Buffer.from(rest)
    return null
  }
}

function codeOf(frame: Buffer, mask: number): number {
  const [high = 0, low = 0] = frame.subarray(2 + mask)
  if (mask === 0) return (high << 8) | low
  return ((high ^ (frame[2] as number)) << 8) | (low ^ (frame[3] as number))
}
