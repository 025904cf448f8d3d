import { CR, hexValue, LF, valueByte } from './byte-classes.ts'
import { failure, type HeadFailure } from './failure.ts'
import type { HeadLimits } from './head-limits.ts'
import { TrailerReader } from './trailers.ts'
import { encodeHead } from './write-head.ts'

const badSize = failure(400, 'invalid chunk size')
const badExtension = failure(400, 'invalid chunk extension')
const longExtension = failure(400, 'chunk extensions too large')
const badEnd = failure(400, 'chunk data is not followed by CRLF')

/** 15 digits fit a line of sane length; the value must be a safe integer besides. */
const maxSizeDigits = 15
/** Bytes of one chunk's extension. */
const maxExtension = 256
/** Extension bytes beyond the data they came with, over the whole body. */
const maxExcess = 4096

const SEMICOLON = 0x3b
const crlf = Uint8Array.of(CR, LF)

/** Where the decoder stands between two bytes. */
const at = {
  /** Before or within the digits of a size line. */
  size: 0,
  /** Within an extension. */
  extension: 1,
  /** Behind the CR of a size line. */
  sizeLf: 2,
  /** Within chunk data. */
  data: 3,
  /** Behind chunk data. */
  dataCr: 4,
  /** Behind the CR that follows chunk data. */
  dataLf: 5,
  /** Behind the line of the last chunk. */
  trailers: 6,
} as const

/**
 * Decodes `chunked` (RFC 9112 §7.1) strictly: sizes are 1 to 15 hexadecimal digits, lines end with CRLF,
 * extensions are visible ASCII, bounded and dropped, trailers are held until complete.
 *
 * Framed output is what came in, byte for byte and without copying, as long as a buffer shows whole lines
 * without extensions. A line that is cut by the end of a buffer is held as a number and written canonically
 * once complete, so that a line reaches the next hop validated or not at all.
 */
export class ChunkedDecoder {
  done = false
  failure: HeadFailure | null = null
  readonly #framed: boolean
  readonly #limits: HeadLimits
  #state: number = at.size
  /** Data bytes of the current chunk still to come; while its line is read, the value so far. */
  #size = 0
  #digits = 0
  #extension = 0
  #excess = 0
  /** First byte of the current buffer that has been validated, not forwarded yet; -1 if there is none. */
  #from = -1
  #trailers: TrailerReader | null = null

  constructor(framed: boolean, limits: HeadLimits) {
    this.#framed = framed
    this.#limits = limits
  }

  /** As `BodyDecoder.push`. */
  push(chunk: Uint8Array, start: number, out: Uint8Array[]): number {
    let i = start
    while (i < chunk.length && !this.done && this.failure === null) {
      if (this.#state === at.data) i = this.#data(chunk, i, out)
      else if (this.#state === at.dataCr || this.#state === at.dataLf) i = this.#dataEnd(chunk, i, out)
      else if (this.#state === at.trailers) i = this.#readTrailers(chunk, i, out)
      else i = this.#sizeLine(chunk, i, out)
    }
    // What is kept in #from up to here is whole lines and data; on failure it was valid all the same.
    this.#flush(chunk, i, out)
    return i
  }

  #data(chunk: Uint8Array, i: number, out: Uint8Array[]): number {
    const end = Math.min(chunk.length, i + this.#size)
    this.#size -= end - i
    if (this.#framed) this.#keep(i)
    else out.push(i === 0 && end === chunk.length ? chunk : chunk.subarray(i, end))
    if (this.#size === 0) this.#state = at.dataCr
    return end
  }

  /** CRLF behind the data: passes if both bytes are here, else it is written when the second one is. */
  #dataEnd(chunk: Uint8Array, i: number, out: Uint8Array[]): number {
    const here = this.#state === at.dataCr
    if (here) {
      if (chunk[i] !== CR) return this.#fail(badEnd, chunk, i, out)
      if (i + 1 === chunk.length) {
        this.#flush(chunk, i, out)
        this.#state = at.dataLf
        return i + 1
      }
    }
    const lf = here ? i + 1 : i
    if (chunk[lf] !== LF) return this.#fail(badEnd, chunk, i, out)
    if (here) this.#keep(i)
    else if (this.#framed) out.push(crlf)
    this.#state = at.size
    return lf + 1
  }

  /** A size line: at once if it is whole and plain, else piece by piece. */
  #sizeLine(chunk: Uint8Array, start: number, out: Uint8Array[]): number {
    if (this.#state === at.size && this.#digits === 0) {
      const end = this.#plainLine(chunk, start)
      if (end !== -1) return end
    }
    this.#flush(chunk, start, out)
    let i = start
    while (i < chunk.length && this.failure === null) {
      const byte = chunk[i++] as number
      if (this.#state === at.size) this.#sizeByte(byte)
      else if (this.#state === at.extension) this.#extensionByte(byte)
      else {
        if (byte !== LF) this.failure = badSize
        else this.#endOfLine(out)
        break
      }
    }
    return i
  }

  /** The index behind a line that is whole and has no extension, after taking it; -1 if it is another kind. */
  #plainLine(chunk: Uint8Array, start: number): number {
    let i = start
    let size = 0
    let digit = hexValue[chunk[i] as number] as number
    while (digit < 16) {
      size = size * 16 + digit
      digit = hexValue[chunk[++i] as number] as number
    }
    const digits = i - start
    if (digits === 0 || digits > maxSizeDigits || !Number.isSafeInteger(size)) return -1
    if (chunk[i] !== CR || chunk[i + 1] !== LF) return -1
    if (size > 0) {
      this.#size = size
      this.#state = at.data
      this.#keep(start)
      return i + 2
    }
    if (chunk[i + 2] !== CR || chunk[i + 3] !== LF) return -1
    this.#keep(start)
    this.done = true
    return i + 4
  }

  #sizeByte(byte: number): void {
    const digit = hexValue[byte] as number
    if (digit < 16) {
      this.#size = this.#size * 16 + digit
      if (++this.#digits > maxSizeDigits || !Number.isSafeInteger(this.#size)) this.failure = badSize
    } else if (this.#digits === 0) this.failure = badSize
    else if (byte === CR) this.#state = at.sizeLf
    else if (byte === SEMICOLON) this.#state = at.extension
    else this.failure = badSize
  }

  #extensionByte(byte: number): void {
    if (byte === CR) this.#state = at.sizeLf
    else if (valueByte[byte] !== 1 || byte >= 0x80) this.failure = badExtension
    else if (++this.#extension > maxExtension) this.failure = longExtension
  }

  #endOfLine(out: Uint8Array[]): void {
    this.#excess = Math.max(0, this.#excess + this.#extension - this.#size)
    if (this.#excess > maxExcess) {
      this.failure = longExtension
      return
    }
    this.#digits = 0
    this.#extension = 0
    this.#state = this.#size === 0 ? at.trailers : at.data
    if (this.#size > 0 && this.#framed) out.push(encodeHead(`${this.#size.toString(16)}\r\n`))
  }

  /** The line of the last chunk is held back with the trailers: before them the body has no valid end. */
  #readTrailers(chunk: Uint8Array, start: number, out: Uint8Array[]): number {
    this.#trailers ??= new TrailerReader(this.#limits)
    const end = this.#trailers.take(chunk, start)
    if (end !== -1) {
      const lines = this.#trailers.forwardable()
      if (this.#trailers.failure === null) {
        this.done = true
        if (this.#framed) out.push(encodeHead(`0\r\n${lines}\r\n`))
      }
    }
    this.failure = this.#trailers.failure
    return end === -1 ? chunk.length : end
  }

  #keep(i: number): void {
    if (this.#framed && this.#from === -1) this.#from = i
  }

  #flush(chunk: Uint8Array, end: number, out: Uint8Array[]): void {
    const from = this.#from
    if (from === -1) return
    this.#from = -1
    out.push(from === 0 && end === chunk.length ? chunk : chunk.subarray(from, end))
  }

  #fail(reason: HeadFailure, chunk: Uint8Array, i: number, out: Uint8Array[]): number {
    this.#flush(chunk, i, out)
    this.failure = reason
    return i
  }
}
