import { ByteCollector } from './byte-collector.ts'
import type { HeadFailure } from './failure.ts'
import { parseFieldBlock } from './field-block.ts'
import { mark } from './field-names.ts'
import { Fields } from './fields.ts'
import type { HeadLimits } from './head-limits.ts'
import { HeadScanner } from './head-scanner.ts'

/** Holds the trailer section of a chunked body until all of it is known to be fine. */
export class TrailerReader {
  failure: HeadFailure | null = null
  readonly #limits: HeadLimits
  readonly #held = new ByteCollector()
  readonly #scanner: HeadScanner

  constructor(limits: HeadLimits) {
    this.#limits = limits
    this.#scanner = new HeadScanner(limits.bytes, true)
  }

  /** Takes bytes from `start`. Returns the index behind the section, -1 if it goes on or there is a `failure`. */
  take(chunk: Uint8Array, start: number): number {
    const end = this.#scanner.scan(chunk, start)
    this.failure = this.#scanner.failure
    if (this.failure === null) this.#held.append(chunk, start, end === -1 ? chunk.length : end)
    return end
  }

  /** The fields that may be forwarded, as `Name: value CRLF` lines, once `take` found the end. */
  forwardable(): string {
    const fields = new Fields()
    this.failure = parseFieldBlock(this.#held.bytes, 0, this.#held.length, this.#limits.fields, fields)
    let text = ''
    for (const [i, { name, key, marks }] of fields.entries.entries()) {
      if ((marks & mark.hop) === 0 && !isForbiddenTrailer(key)) text += `${name}: ${fields.values[i]}\r\n`
    }
    return text
  }
}

/**
 * Whether a field must not come as a trailer (RFC 9110 §6.5.1): framing, routing, authentication, request
 * modifiers, response control and content format. Somebody behind us may merge trailers into the header.
 */
function isForbiddenTrailer(key: string): boolean {
  return forbiddenNames.has(key) || forbiddenPrefixes.test(key)
}

const forbiddenPrefixes =
  /^(?:content-(?!md5$|digest$)|proxy-|x-forwarded-|sec-|if-|access-control-|fairlead-)/

const forbiddenNames = new Set(
  `age allow authorization cache-control clear-site-data connection cookie date expect expires forwarded host
  keep-alive location max-forwards origin pragma proxy range referer retry-after set-cookie
  strict-transport-security te trailer transfer-encoding upgrade vary via warning www-authenticate x-client-ip
  x-http-method-override x-original-url x-real-ip x-request-id x-rewrite-url`.split(/\s+/),
)
