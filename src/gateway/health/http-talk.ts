import { BodyDecoder } from '../../http1/body.ts'
import { isFailure } from '../../http1/failure.ts'
import { HeadReader } from '../../http1/head-reader.ts'
import { parseResponseHead, type ResponseHead } from '../../http1/response-head.ts'
import { encodeHead, requestStart } from '../../http1/write-head.ts'
import { announcedIn } from './announced.ts'
import type { HttpProbeConfig } from './health-options.ts'
import type { Announced, ProbeTalk } from './probe.ts'

const limits = { bytes: 16 * 1024, fields: 100 }

/** How much of a body is looked at. */
const bodyLimit = 64 * 1024

/** One GET, and whether the answer is as expected. */
export class HttpTalk implements ProbeTalk {
  announced: Announced | null = null
  readonly #config: HttpProbeConfig
  readonly #authority: string
  readonly #reader = new HeadReader<ResponseHead>(limits)
  #body: BodyDecoder | null = null
  /** The body as far as it is looked at. */
  #held = Buffer.alloc(0)

  /** @param authority value of `Host` unless the config has another */
  constructor(config: HttpProbeConfig, authority: string) {
    this.#config = config
    this.#authority = authority
  }

  hello(): Uint8Array {
    const { path, host, headers } = this.#config
    const fields = probeFields(headers)
    return encodeHead(
      `${requestStart('GET', path, host ?? this.#authority)}${fields}Connection: close\r\n\r\n`,
    )
  }

  heard(chunk: Uint8Array): string | null | undefined {
    if (this.#body !== null) return this.#readBody(this.#body, chunk)
    let bytes: Uint8Array | null = chunk
    while (bytes !== null) {
      const head = this.#reader.read(bytes, parseHead)
      if (head === undefined) return undefined
      if (isFailure(head)) return `its answer is malformed: ${head.reason}`
      bytes = this.#reader.rest
      this.announced = announcedIn(head)
      if (head.status === 101) return 'it switched protocols without being asked'
      if (head.status >= 200) return this.#check(head, bytes)
    }
    return undefined
  }

  ended(): string | null {
    if (this.#body === null) return 'it closed the connection before it answered'
    if (!this.#body.end()) return 'it closed the connection within the body'
    return this.#withoutText()
  }

  goodbye(): null {
    return null
  }

  #check(head: ResponseHead, rest: Uint8Array | null): string | null | undefined {
    const { status, headers, body } = this.#config.expect
    if (!status.some(({ from, to }) => head.status >= from && head.status <= to)) {
      return `it answered with status ${head.status}`
    }
    for (const [name, value] of Object.entries(headers)) {
      const found = head.fields.whole(name.toLowerCase())
      if (found === undefined) return `its answer has no header ${name}`
      if (value !== '*' && found !== value) return `its answer has another header ${name}`
    }
    if (body === undefined) return null
    this.#body = new BodyDecoder(head.framing, 'content', limits)
    return this.#readBody(this.#body, rest ?? Buffer.alloc(0))
  }

  #readBody(body: BodyDecoder, chunk: Uint8Array): string | null | undefined {
    const pieces: Uint8Array[] = []
    body.push(chunk, 0, pieces)
    if (body.failure !== null) return `the body of its answer is malformed: ${body.failure.reason}`
    const known = this.#held.length
    const all = Buffer.concat([this.#held, ...pieces])
    this.#held = all.subarray(0, bodyLimit)
    const text = Buffer.from(this.#config.expect.body as string)
    if (this.#held.includes(text, Math.max(0, known - text.length))) return null
    return body.done || all.length >= bodyLimit ? this.#withoutText() : undefined
  }

  #withoutText(): string {
    return 'the body of its answer does not have the expected text'
  }
}

/** The fields of a probe's request that the operator wants, and who asks. */
export function probeFields(headers: Readonly<Record<string, string>>): string {
  const named = Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent')
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${named ? '' : 'User-Agent: fairlead-probe\r\n'}${lines.join('')}`
}

function parseHead(bytes: Uint8Array, start: number, end: number) {
  return parseResponseHead(bytes, start, end, limits, 'GET')
}
