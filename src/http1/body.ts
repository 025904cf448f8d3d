import { ChunkedDecoder } from './chunked.ts'
import { failure, type HeadFailure } from './failure.ts'
import type { Framing } from './framing.ts'
import type { HeadLimits } from './head-limits.ts'

const afterEnd = failure(400, 'the connection ended before the body did')

/**
 * Finds the end of one body and says what to forward.
 *
 * With `framed` output a chunked body stays chunked, canonically; with `content` output only its data comes
 * out, for receivers that speak HTTP/1.0. Bodies of a length and bodies until close are the same in both.
 */
export class BodyDecoder {
  /** The body is complete; `push` takes nothing more. */
  done: boolean
  /** What is wrong; `push` takes nothing more and the body can never be completed. */
  failure: HeadFailure | null = null
  /** Bytes of a `length` body still to come, or Infinity until close. */
  #remaining: number
  readonly #chunked: ChunkedDecoder | null

  /** @param limits bounds on the trailer section */
  constructor(framing: Framing, output: 'framed' | 'content', limits: HeadLimits) {
    this.#chunked = framing.kind === 'chunked' ? new ChunkedDecoder(output === 'framed', limits) : null
    this.#remaining = lengthOf(framing)
    this.done = this.#remaining === 0
  }

  /**
   * Consumes a chunk from index `start` and appends to `out` what to forward: the chunk itself if all of it
   * passes, else views of it and, where framing had to be rebuilt, small new buffers. Nothing that has not been
   * validated comes out.
   * @returns the index behind the consumed bytes; less than the chunk's length only when `done` or on failure
   */
  push(chunk: Uint8Array, start: number, out: Uint8Array[]): number {
    if (this.done || this.failure !== null || start >= chunk.length) return start
    if (this.#chunked !== null) {
      const end = this.#chunked.push(chunk, start, out)
      this.done = this.#chunked.done
      this.failure = this.#chunked.failure
      return end
    }
    const end = Math.min(chunk.length, start + this.#remaining)
    this.#remaining -= end - start
    this.done = this.#remaining === 0
    out.push(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end))
    return end
  }

  /**
   * The peer's FIN. True if the body may end here: it was complete already, or it lasts until close and is
   * complete now. False means it was cut off, and `failure` says so.
   */
  end(): boolean {
    if (this.failure !== null) return false
    if (this.#remaining === Number.POSITIVE_INFINITY && this.#chunked === null) this.done = true
    if (!this.done) this.failure = afterEnd
    return this.done
  }
}

function lengthOf(framing: Framing): number {
  if (framing.kind === 'length') return framing.length
  return framing.kind === 'none' ? 0 : Number.POSITIVE_INFINITY
}
