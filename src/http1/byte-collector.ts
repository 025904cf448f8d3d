/** Bytes gathered from several chunks, in one buffer that grows by doubling and is bounded by its user. */
export class ByteCollector {
  bytes: Uint8Array = new Uint8Array(0)
  length = 0

  /** Copies a range behind what is held, so that the chunk it came from can be freed. */
  append(chunk: Uint8Array, start: number, end: number): void {
    const needed = this.length + end - start
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    this.bytes.set(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end), this.length)
    this.length = needed
  }
}
