import { CR, LF, valueByte } from './byte-classes.ts'
import { failure, type HeadFailure } from './failure.ts'

const badByte = failure(400, 'bare CR, bare LF or a control character')
const tooLarge = failure(431, 'header fields too large')

/**
 * Looks for the empty line that ends a head or a trailer section, byte by byte across buffers, and refuses
 * what no later byte can repair: a bare CR or LF (RFC 9112 §2.2), NUL and other controls, too many bytes.
 * It remembers where it stands, so a byte is looked at once however small the pieces arrive.
 */
export class HeadScanner {
  /** How much of CR LF CR LF has been seen just before this point: 0 to 4. */
  #matched: number
  /** Bytes scanned so far. */
  #scanned = 0
  readonly #limit: number
  failure: HeadFailure | null = null

  /**
   * @param limit most bytes, the empty line included
   * @param atLineStart whether the first byte starts a line that may be the empty one (trailers)
   */
  constructor(limit: number, atLineStart: boolean) {
    this.#limit = limit
    this.#matched = atLineStart ? 2 : 0
  }

  /**
   * Scans from `start`. Returns the index behind the empty line; -1 if it is not here, because more bytes are
   * needed or because there is a `failure`.
   */
  scan(bytes: Uint8Array, start: number): number {
    const stop = Math.min(bytes.length, start + this.#limit - this.#scanned)
    let matched = this.#matched
    for (let i = start; i < stop; i++) {
      const byte = bytes[i] as number
      if ((matched & 1) === 1) {
        if (byte !== LF) return this.#refuse(badByte)
        if (++matched === 4) return i + 1
      } else if (byte === CR) matched++
      else if (valueByte[byte] === 1) matched = 0
      else return this.#refuse(badByte)
    }
    this.#matched = matched
    this.#scanned += stop - start
    return this.#scanned >= this.#limit ? this.#refuse(tooLarge) : -1
  }

  #refuse(reason: HeadFailure): -1 {
    this.failure = reason
    return -1
  }
}
