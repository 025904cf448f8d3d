/** One HTTP/1.1 message as it stood on the wire. */
export interface Message {
  /** Request line or status line. */
  readonly start: string
  /** 0 for requests. */
  readonly status: number
  /** Field values by lower-case name, in order. */
  readonly fields: ReadonlyMap<string, readonly string[]>
  /** Decoded. */
  readonly body: string
  /** Trailer lines as they came. */
  readonly trailers: readonly string[]
  /** The body's bytes as they stood on the wire, chunk framing included. */
  readonly rawBody: string
}

type Kind = 'request' | 'response' | 'response to HEAD'

/**
 * Reads one message from the start of a buffer: a few plain lines that share nothing with the codec under
 * test, so that both would have to be wrong in the same way.
 */
export class MessageReader {
  message: Message = { start: '', status: 0, fields: new Map(), body: '', trailers: [], rawBody: '' }
  readonly #kind: Kind

  constructor(kind: Kind) {
    this.#kind = kind
  }

  /** The index behind the message, or -1 when more is needed. */
  read(buffer: Buffer, ended: boolean): number {
    const head = buffer.indexOf('\r\n\r\n')
    if (head === -1) return -1
    const [start = '', ...lines] = buffer.toString('latin1', 0, head).split('\r\n')
    const status = this.#kind === 'request' ? 0 : Number(start.split(' ')[1])
    const fields = new Map<string, string[]>()
    for (const line of lines) {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon).toLowerCase()
      fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()])
    }
    const body = this.#body(buffer.toString('latin1', head + 4), status, fields, ended)
    if (body === null) return -1
    this.message = { start, status, fields, ...body }
    return head + 4 + body.rawBody.length
  }

  #body(
    text: string,
    status: number,
    fields: ReadonlyMap<string, readonly string[]>,
    ended: boolean,
  ): Pick<Message, 'body' | 'trailers' | 'rawBody'> | null {
    const none = { body: '', trailers: [], rawBody: '' }
    const bodiless = this.#kind === 'response to HEAD' || (status > 0 && status < 200)
    if (bodiless || status === 204 || status === 304) return none
    if (fields.has('transfer-encoding')) return chunked(text)
    const length = fields.get('content-length')?.[0]
    if (length !== undefined) {
      const body = text.slice(0, Number(length))
      return body.length < Number(length) ? null : { body, trailers: [], rawBody: body }
    }
    if (this.#kind === 'request') return none
    return ended ? { body: text, trailers: [], rawBody: text } : null
  }
}

function chunked(text: string): Pick<Message, 'body' | 'trailers' | 'rawBody'> | null {
  let at = 0
  let body = ''
  for (;;) {
    const line = text.indexOf('\r\n', at)
    if (line === -1) return null
    const size = Number.parseInt(text.slice(at, line), 16)
    if (Number.isNaN(size)) throw new Error(`not a chunk size: ${JSON.stringify(text.slice(at, line))}`)
    at = line + 2
    if (size === 0) break
    if (text.length < at + size + 2) return null
    body += text.slice(at, at + size)
    at += size + 2
  }
  const trailers: string[] = []
  for (;;) {
    const line = text.indexOf('\r\n', at)
    if (line === -1) return null
    const trailer = text.slice(at, line)
    at = line + 2
    if (trailer === '') return { body, trailers, rawBody: text.slice(0, at) }
    trailers.push(trailer)
  }
}
