const encoder = new TextEncoder()
// A text that begins with U+FEFF keeps it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const none = new Uint8Array()

/** Writes numbers, texts and bytes one after the other. */
export class WireWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #length = 0

  constructor(size = 256) {
    this.#bytes = new Uint8Array(size)
  }

  get length(): number {
    return this.#length
  }

  /** What was written; the writer is not to be used any more. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  byte(value: number): this {
    this.#room(1)
    this.#bytes[this.#length++] = value
    return this
  }

  /** A whole number from 0 to `Number.MAX_SAFE_INTEGER`, seven bits to a byte. */
  number(value: number): this {
    this.#room(8)
    let rest = value
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  text(value: string): this {
    // UTF-8 needs three bytes at most for each unit of UTF-16. Where one byte is enough for the length of all
    // that, the text is encoded in place.
    const most = value.length * 3
    if (most > 0x7f) return this.bytes(encoder.encode(value))
    this.#room(most + 1)
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(this.#length + 1))
    this.#bytes[this.#length] = written
    this.#length += written + 1
    return this
  }

  bytes(value: Uint8Array): this {
    this.number(value.length)
    this.#room(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  /** Begins something whose length stands before it; to be given to `end`. */
  begin(): number {
    this.#room(4)
    this.#length += 4
    return this.#length
  }

  end(begun: number): void {
    const length = this.#length - begun
    for (let index = 0; index < 4; index++) this.#bytes[begun - 4 + index] = length >>> (8 * index)
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/**
 * Reads what a `WireWriter` wrote. Never throws: what cannot be read is zero or empty, and `bad` is set from then on.
 */
export class WireReader {
  bad = false
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  /** Whether everything was read. */
  get ended(): boolean {
    return this.bad || this.#at >= this.#bytes.length
  }

  byte(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) this.bad = true
    return value ?? 0
  }

  number(): number {
    let value = 0
    let factor = 1
    for (let index = 0; index < 8; index++) {
      const byte = this.byte()
      value += (byte & 0x7f) * factor
      factor *= 0x80
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) this.bad = true
        return this.bad ? 0 : value
      }
    }
    this.bad = true
    return 0
  }

  /** What was written between `begin` and `end`. */
  part(): WireReader {
    let length = 0
    for (let index = 0; index < 4; index++) length += this.byte() * 2 ** (8 * index)
    return new WireReader(this.#take(length))
  }

  text(): string {
    return decoder.decode(this.bytes())
  }

  /** Shares the memory of what is read. */
  bytes(): Uint8Array {
    return this.#take(this.number())
  }

  #take(length: number): Uint8Array {
    const from = this.#at
    if (this.bad || length > this.#bytes.length - from) {
      this.bad = true
      return none
    }
    this.#at = from + length
    return this.#bytes.subarray(from, this.#at)
  }
}
