/** A prime, so that no block of the pattern ever meets the border of a buffer again. */
const period = 65_521

const once = Buffer.from(Uint8Array.from({ length: period }, (_, at) => (at * 7 + (at >> 8)) & 255))
const twice = Buffer.concat([once, once])

/** Bytes by which one sees where in the stream they belong. */
export function patternAt(offset: number, length: number): Buffer {
  const start = offset % period
  return twice.subarray(start, start + Math.min(length, period))
}

/** Follows a stream of the pattern: how many bytes came, and whether each stood where it belongs. */
export class PatternReader {
  bytes = 0
  intact = true

  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const expected = patternAt(this.bytes, chunk.length - at)
      if (chunk.compare(expected, 0, expected.length, at, at + expected.length) !== 0) this.intact = false
      at += expected.length
      this.bytes += expected.length
    }
  }
}
