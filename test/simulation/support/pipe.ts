/** One direction of a connection, from the kernel that took the bytes to the one who reads them. */
export class Pipe {
  bytes = 0
  fin = false
  reset = false
  /** Nobody reads any more: bytes are answered with a reset. */
  readerGone = false
  /** The network is cut: nothing arrives, no reset either. */
  cut = false
  readonly #capacity: number
  readonly #chunks: Uint8Array[] = []

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get room(): number {
    return this.readerGone && !this.cut ? Number.MAX_SAFE_INTEGER : this.#capacity - this.bytes
  }

  put(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.bytes += chunk.length
  }

  /** The first bytes, in memory of their own. */
  take(size: number): Uint8Array {
    const taken = new Uint8Array(size)
    let at = 0
    while (at < size) {
      const first = this.#chunks[0] as Uint8Array
      const part = first.subarray(0, size - at)
      taken.set(part, at)
      at += part.length
      if (part.length === first.length) this.#chunks.shift()
      else this.#chunks[0] = first.subarray(part.length)
    }
    this.bytes -= size
    return taken
  }

  /** Only the first bytes are left. */
  truncate(size: number): void {
    const kept = this.take(size)
    this.#chunks.length = 0
    this.bytes = 0
    if (size > 0) this.put(kept)
  }
}
