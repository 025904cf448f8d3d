import { CR } from './byte-classes.ts'
import { ByteCollector } from './byte-collector.ts'
import { type HeadFailure, isFailure } from './failure.ts'
import type { HeadLimits } from './head-limits.ts'
import { HeadScanner } from './head-scanner.ts'

/** Parses one complete head, as `parseRequestHead` and `parseResponseHead` do. */
export type ParseHead<T> = (bytes: Uint8Array, start: number, end: number) => T | HeadFailure

const emptyLine = Uint8Array.of(13, 10, 13, 10)
type IndexOf = (this: Uint8Array, value: Uint8Array, from: number) => number
const indexOf = Buffer.prototype.indexOf as unknown as IndexOf

/** A head that has begun and not ended. */
interface Pending {
  readonly scanner: HeadScanner
  readonly held: ByteCollector
}

/**
 * Finds heads in a stream of chunks. A head that lies in one chunk is parsed in place; only a head in pieces
 * is copied, and between heads nothing is held. The result does not depend on how the bytes were cut.
 */
export class HeadReader<T> {
  /** The bytes of the last chunk behind the head that `read` returned, null if there are none. */
  rest: Uint8Array | null = null
  /** Of the next head; what is already held of one keeps its bound. */
  limits: HeadLimits
  #pending: Pending | null = null

  constructor(limits: HeadLimits) {
    this.limits = limits
  }

  /** Whether some bytes of a head are held that is not complete yet. */
  get partial(): boolean {
    return this.#pending !== null
  }

  /** Whether what is held is more than the empty line that may stand before a head (RFC 9112 §2.2). */
  get begun(): boolean {
    const held = this.#pending?.held
    return held !== undefined && (held.length > 2 || held.bytes[0] !== CR)
  }

  /**
   * Takes the next bytes. Returns the head when it is complete (what follows is in `rest`), `undefined` when
   * more bytes are needed, or the failure: 431 as soon as the head is known to exceed its bound, 400 as soon as
   * a byte is seen that no head may contain. After a failure the reader must not be used again.
   */
  read(chunk: Uint8Array, parse: ParseHead<T>): T | HeadFailure | undefined {
    this.rest = null
    if (this.#pending !== null) return this.#continue(this.#pending, chunk, parse)
    const found = indexOf.call(chunk, emptyLine, 0)
    if (found === -1 || found + 4 > this.limits.bytes) return this.#begin(chunk)
    const end = found + 4
    const head = parse(chunk, 0, end)
    // A forbidden byte outranks what the parser minds, as it does when the head comes in pieces.
    if (isFailure(head)) return this.#scanFailure(chunk, end) ?? head
    if (end < chunk.length) this.rest = chunk.subarray(end)
    return head
  }

  /** Scans a chunk that holds no complete head within the bound, and keeps it. */
  #begin(chunk: Uint8Array): HeadFailure | undefined {
    const scanner = new HeadScanner(this.limits.bytes, false)
    scanner.scan(chunk, 0)
    if (scanner.failure !== null) return scanner.failure
    if (chunk.length === 0) return undefined
    this.#pending = { scanner, held: new ByteCollector() }
    this.#pending.held.append(chunk, 0, chunk.length)
    return undefined
  }

  #continue(pending: Pending, chunk: Uint8Array, parse: ParseHead<T>): T | HeadFailure | undefined {
    const { scanner, held } = pending
    const end = scanner.scan(chunk, 0)
    if (scanner.failure !== null) return scanner.failure
    if (end === -1) {
      held.append(chunk, 0, chunk.length)
      return undefined
    }
    held.append(chunk, 0, end)
    this.#pending = null
    const head = parse(held.bytes, 0, held.length)
    if (end < chunk.length && !isFailure(head)) this.rest = chunk.subarray(end)
    return head
  }

  #scanFailure(chunk: Uint8Array, end: number): HeadFailure | null {
    const scanner = new HeadScanner(this.limits.bytes, false)
    scanner.scan(chunk.subarray(0, end), 0)
    return scanner.failure
  }
}
