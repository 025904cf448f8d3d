import { once } from 'node:events'
import { createServer, type IncomingMessage, METHODS, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BodyDecoder } from './body.ts'
import { isFailure } from './failure.ts'
import { endToEndFields } from './forward.ts'
import type { Framing } from './framing.ts'
import { HeadReader, type ParseHead } from './head-reader.ts'
import { parseRequestHead, type RequestHead } from './request-head.ts'
import { parseResponseHead, type ResponseHead } from './response-head.ts'
import { encodeHead, requestStart } from './write-head.ts'

/** Raise FUZZ_RUNS to search longer; every property runs that many times. */
const numRuns = Number(process.env.FUZZ_RUNS ?? 300)
const timeout = 30_000 + numRuns * 20

const limits = { bytes: 512, fields: 8 }
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

// ---- a connection: what a stream of pieces means ------------------------------------------------------------

interface Message {
  head: unknown
  /** What was forwarded of the body, decoded by `dechunk` if it was chunked. */
  body: string
  trailers: string[]
  complete: boolean
}

interface Reading {
  messages: Message[]
  failure: string
  /** Bytes of the body as forwarded, of all messages. */
  forwarded: string[]
}

type AnyHead = RequestHead | ResponseHead

const parseRequest: ParseHead<AnyHead> = (bytes, start, end) => parseRequestHead(bytes, start, end, limits)
const parseResponse: ParseHead<AnyHead> = (bytes, start, end) =>
  parseResponseHead(bytes, start, end, limits, 'GET')

/** Reads messages as the gateway does: heads by `HeadReader`, bodies by `BodyDecoder`, until a failure. */
function readAll(
  pieces: Uint8Array[],
  parse: ParseHead<AnyHead>,
  output: 'framed' | 'content' = 'framed',
): Reading {
  const reader = new HeadReader<AnyHead>(limits)
  const reading: Reading = { messages: [], failure: '', forwarded: [] }
  let body: { decoder: BodyDecoder; framing: Framing; head: AnyHead; out: Uint8Array[] } | null = null
  const settle = () => {
    if (body === null) return
    const forwarded = Buffer.concat(body.out).toString('latin1')
    const chunked = body.framing.kind === 'chunked' && output === 'framed'
    const { content, trailers } = chunked ? dechunk(forwarded) : { content: forwarded, trailers: [] }
    const complete = body.decoder.done
    reading.messages.push({ head: describeHead(body.head), body: content, trailers, complete })
    reading.forwarded.push(forwarded)
    body = null
  }
  for (const piece of pieces) {
    let rest: Uint8Array | null = piece
    while (rest !== null && rest.length > 0 && reading.failure === '') {
      if (body === null) {
        const head = reader.read(rest, parse)
        if (head === undefined) break
        rest = reader.rest
        if (isFailure(head)) reading.failure = `${head.status} ${head.reason}`
        else
          body = {
            decoder: new BodyDecoder(head.framing, output, limits),
            framing: head.framing,
            head,
            out: [],
          }
      }
      if (body !== null && rest !== null) {
        const end = body.decoder.push(rest, 0, body.out)
        rest = end < rest.length ? rest.subarray(end) : null
        if (body.decoder.failure !== null) reading.failure = body.decoder.failure.reason
      }
      if (body?.decoder.done) settle()
    }
  }
  settle()
  return reading
}

function describeHead(head: AnyHead): unknown {
  return JSON.parse(JSON.stringify({ ...head, fields: fieldPairs(head) }))
}

function fieldPairs(head: AnyHead): [string, string][] {
  return head.fields.names.map((name, i) => [name, head.fields.values[i] as string])
}

/** An independent decoder of well-formed chunked bodies, or of the beginning of one; throws at anything else. */
function dechunk(text: string): { content: string; trailers: string[]; complete: boolean } {
  let content = ''
  let rest = text
  while (rest !== '') {
    const line = /^([0-9a-fA-F]{1,15})\r\n/.exec(rest)
    if (line === null) throw new Error(`no size line: ${JSON.stringify(rest.slice(0, 40))}`)
    rest = rest.slice(line[0].length)
    const size = Number.parseInt(line[1] as string, 16)
    if (size === 0) {
      const end = /^((?:[^\r\n:]+: [^\r\n]*\r\n)*)\r\n$/.exec(rest)
      if (end === null) throw new Error(`no end: ${JSON.stringify(rest.slice(0, 40))}`)
      return { content, trailers: (end[1] as string).split('\r\n').slice(0, -1), complete: true }
    }
    content += rest.slice(0, size)
    const between = rest.slice(size, size + 2)
    if (!'\r\n'.startsWith(between)) throw new Error(`no line end: ${JSON.stringify(between)}`)
    rest = rest.slice(size + 2)
  }
  return { content, trailers: [], complete: false }
}

// ---- generators: mostly right, sometimes wrong in the known ways ---------------------------------------------

const methods = METHODS.filter((method) => method !== 'CONNECT')
const pathPiece = fc.constantFrom(
  '/',
  'a',
  '.',
  '..',
  '%2e',
  '%41',
  '%2f',
  '%C3',
  '~',
  '-',
  '//',
  ';',
  '&',
  '=',
  "'",
)
const target = fc
  .tuple(fc.array(pathPiece, { maxLength: 6 }), fc.constantFrom('', '?', '?a=b', '?x=%zz&y', '?/../'))
  .map(([path, query]) => `/${path.join('')}${query}`)
const name = fc.constantFrom(
  'X-A',
  'x-b',
  'Accept',
  'User-Agent',
  'Cookie',
  'X_C',
  'Content-Type',
  "X!#$%&'*+.^`|~",
)
const value = fc
  .array(fc.constantFrom('a', 'b', ' ', '\t', ',', ';', '"', '\\', ':', '=', '\x80', '\xff', '%0d%0a'), {
    maxLength: 8,
  })
  .map((pieces) => pieces.join(''))
const field = fc.tuple(name, fc.constantFrom(': ', ':', ':\t ', ': \t'), value).map((parts) => parts.join(''))

const data = fc.string({ unit: fc.constantFrom('a', '0', '\r', '\n', '\0', ';', '\xff'), maxLength: 40 })
const sizeSpelling = fc.constantFrom<(size: number) => string>(
  (size) => size.toString(16),
  (size) => size.toString(16).toUpperCase(),
  (size) => `00${size.toString(16)}`,
)
const extension = fc.constantFrom('', '', '', ';', ';x', ';x=y', '; x="y z"', `;${'e'.repeat(100)}`)
const chunk = fc
  .tuple(
    data.filter((text) => text !== ''),
    sizeSpelling,
    extension,
  )
  .map(([text, spell, ext]) => ({ text, wire: `${spell(text.length)}${ext}\r\n${text}\r\n` }))
const trailer = fc.oneof(field, fc.constantFrom('Content-Length: 3', 'Transfer-Encoding: chunked', 'Host: b'))
const chunkedWire = fc
  .tuple(fc.array(chunk, { maxLength: 5 }), extension, fc.array(trailer, { maxLength: 3 }))
  .map(([chunks, ext, trailers]) => ({
    content: chunks.map((each) => each.text).join(''),
    wire: `${chunks.map((each) => each.wire).join('')}0${ext}\r\n${trailers.map((t) => `${t}\r\n`).join('')}\r\n`,
  }))

interface Wire {
  head: string[]
  body: string
  content: string
}

const framed: fc.Arbitrary<Wire> = fc.oneof(
  fc.constant<Wire>({ head: [], body: '', content: '' }),
  data.map((text) => ({ head: [`Content-Length: ${text.length}`], body: text, content: text })),
  chunkedWire.map(({ wire, content }) => ({ head: ['Transfer-Encoding: chunked'], body: wire, content })),
)

const request = fc
  .record({
    method: fc.constantFrom(...methods),
    target: fc.oneof(
      { weight: 4, arbitrary: target },
      target.map((text) => `http://h:81${text}`),
    ),
    version: fc.constantFrom('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0'),
    connection: fc.constantFrom(
      '',
      '',
      'Connection: close',
      'Connection: keep-alive, X-A',
      'Connection: host, te',
    ),
    before: fc.array(field, { maxLength: 2 }),
    after: fc.array(field, { maxLength: 2 }),
    framed,
  })
  .map(({ method, target, version, connection, before, after, framed }) => {
    const lines = ['Host: h:81', connection, ...before, ...framed.head, ...after].filter(
      (line) => line !== '',
    )
    return {
      text: `${method} ${target} ${version}\r\n${lines.join('\r\n')}\r\n\r\n${framed.body}`,
      ...framed,
    }
  })

const response = fc
  .record({
    status: fc.constantFrom(
      '200 OK',
      '200',
      '404 Not Found',
      '204 No Content',
      '100 Continue',
      '304 ',
      '500 \xe9',
    ),
    fields: fc.array(field, { maxLength: 3 }),
    framed,
  })
  .map(({ status, fields, framed }) => {
    const lines = [...framed.head, ...fields].map((line) => `${line}\r\n`).join('')
    return { text: `HTTP/1.1 ${status}\r\n${lines}\r\n${framed.body}`, ...framed }
  })

/** What smugglers insert. */
const poison = fc.constantFrom(
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\0',
  '\x0b',
  ' ',
  '\t',
  ':',
  ';',
  '0',
  '+',
  '-',
  'x',
  '\x7f',
  '\x85',
  '0\r\n\r\n',
  '\r\nTransfer-Encoding: chunked',
  '\r\nContent-Length: 3',
  '\nContent-Length: 3',
  '\r\n folded',
  '\r\nHost: evil',
  'GET / HTTP/1.1\r\nHost: h\r\n\r\n',
)
/** A place in a text of any length. Not `fc.double`: most doubles between 0 and 1 are next to 0. */
const place = fc.nat(9999).map((part) => part / 10_000)
const mutation = fc.record({
  at: place,
  /** Whether the change is at a delimiter, where parsers decide. */
  near: fc.boolean(),
  remove: fc.nat(3),
  insert: fc.option(poison, { freq: 2 }),
})
type Mutation = typeof mutation extends fc.Arbitrary<infer M> ? M : never

function mutate(text: string, mutations: Mutation[]): string {
  let result = text
  for (const { at, near, remove, insert } of mutations) {
    const delimiters = near ? [...result.matchAll(/[\r\n:; ]/g)].map((match) => match.index) : []
    const index = delimiters[Math.floor(at * delimiters.length)] ?? Math.floor(at * result.length)
    result = result.slice(0, index) + (insert ?? '') + result.slice(index + remove)
  }
  return result
}

const mutations = fc.array(mutation, { maxLength: 2 })
const noise = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 200 })
const stream = (message: fc.Arbitrary<{ text: string }>) =>
  fc
    .oneof(
      { weight: 8, arbitrary: fc.tuple(fc.array(message, { minLength: 1, maxLength: 3 }), mutations) },
      {
        weight: 1,
        arbitrary: fc.tuple(
          fc.array(
            noise.map((text) => ({ text })),
            { maxLength: 1 },
          ),
          mutations,
        ),
      },
    )
    .map(([messages, changes]) => mutate(messages.map((message) => message.text).join(''), changes))

const cuts = fc.array(place, { maxLength: 8 })

function cut(text: string, places: number[]): Uint8Array[] {
  const at = places.map((place) => Math.floor(place * text.length)).sort((a, b) => a - b)
  return [...at, text.length].map((end, i) => latin1(text.slice(i === 0 ? 0 : at[i - 1], end)))
}

// ---- properties ----------------------------------------------------------------------------------------------

describe('the same bytes', () => {
  test.each([
    ['requests', stream(request), parseRequest],
    ['responses', stream(response), parseResponse],
  ])(
    'of %s mean the same however they are cut',
    (_, streams, parse) => {
      fc.assert(
        fc.property(streams, cuts, (text, places) => {
          const { forwarded: _whole, ...whole } = readAll([latin1(text)], parse)
          const { forwarded: _cut, ...inPieces } = readAll(cut(text, places), parse)
          const { forwarded: _bytes, ...byByte } = readAll([...text].map(latin1), parse)
          expect(inPieces).toEqual(whole)
          expect(byByte).toEqual(whole)
        }),
        { numRuns },
      )
    },
    timeout,
  )

  test(
    'give the same content framed and unframed',
    () => {
      fc.assert(
        fc.property(stream(request), cuts, (text, places) => {
          const strip = (reading: Reading) =>
            reading.messages.map(({ head, body, complete }) => ({ head, body, complete }))
          const pieces = cut(text, places)
          expect(strip(readAll(pieces, parseRequest, 'content'))).toEqual(
            strip(readAll(pieces, parseRequest)),
          )
        }),
        { numRuns },
      )
    },
    timeout,
  )
})

describe('well-formed messages', () => {
  test(
    'are accepted, with their content, and forwarded as something that reads the same',
    () => {
      fc.assert(
        fc.property(request, cuts, (message, places) => {
          const reading = readAll(cut(message.text, places), parseRequest)
          if (message.head[0] === 'Transfer-Encoding: chunked' && message.text.includes(' HTTP/1.0\r\n')) {
            expect(reading.failure).not.toBe('')
            return
          }
          expect(reading.failure).toBe('')
          expect(reading.messages).toHaveLength(1)
          expect(reading.messages[0]).toMatchObject({ body: message.content, complete: true })
          for (const trailer of reading.messages[0]?.trailers ?? []) {
            expect(trailer).not.toMatch(/^(?:content-length|transfer-encoding|host):/i)
          }
        }),
        { numRuns },
      )
    },
    timeout,
  )
})

describe('an independent reading of the grammar', () => {
  test(
    'agrees on chunked bodies',
    () => {
      const bodies = fc.tuple(chunkedWire, mutations).map(([{ wire }, changes]) => mutate(wire, changes))
      fc.assert(
        fc.property(bodies, cuts, (text, places) => {
          const expected = readChunked(text)
          const body = new BodyDecoder({ kind: 'chunked' }, 'framed', roomy)
          const out: Uint8Array[] = []
          let used = 0
          for (const piece of cut(text, places)) used += body.push(piece, 0, out)
          const forwarded = dechunk(Buffer.concat(out).toString('latin1'))
          expect(body.done).toBe(expected !== null)
          expect(forwarded.complete).toBe(expected !== null)
          if (expected !== null) expect({ content: forwarded.content, used }).toEqual(expected)
        }),
        { numRuns },
      )
    },
    timeout,
  )

  test(
    'agrees on the lines of a head',
    () => {
      fc.assert(
        fc.property(stream(request), (text) => {
          const head = text.slice(0, text.indexOf('\r\n\r\n') + 4)
          if (isFailure(parseRequest(latin1(head), 0, head.length))) return
          expect(head).toMatch(headGrammar)
          for (const once of [/^(?:content-length|transfer-encoding):/gim, /^host:/gim]) {
            expect(head.match(once)?.length ?? 0).toBeLessThanOrEqual(1)
          }
        }),
        { numRuns },
      )
    },
    timeout,
  )
})

const roomy = { bytes: 4096, fields: 100 }
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const fieldLine = `${token}:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n`
const headGrammar = new RegExp(
  `^(?:\\r\\n)?${token} [\\x21-\\x7e]+ HTTP/1\\.[01]\\r\\n(?:${fieldLine})*\\r\\n$`,
)
const trailerGrammar = new RegExp(`^(?:${fieldLine})*\\r\\n`)

/** The content and length of a chunked body at the beginning of a text, null if there is no complete one. */
function readChunked(text: string): { content: string; used: number } | null {
  let content = ''
  let at = 0
  for (;;) {
    const line = /^([0-9a-fA-F]{1,15})(?:;[\t\x20-\x7e]{0,255})?\r\n/.exec(text.slice(at))
    if (line === null) return null
    at += line[0].length
    const size = Number.parseInt(line[1] as string, 16)
    if (size === 0) break
    if (!text.startsWith('\r\n', at + size)) return null
    content += text.slice(at, at + size)
    at += size + 2
  }
  const trailers = trailerGrammar.exec(text.slice(at))
  return trailers === null ? null : { content, used: at + trailers[0].length }
}

describe('what is accepted', () => {
  test(
    'reads the same when it is serialised and parsed again',
    () => {
      fc.assert(
        fc.property(stream(request), (text) => {
          for (const { head, wire } of forwardable(text)) {
            const again = readAll([latin1(wire)], parseRequest)
            expect(again.failure).toBe('')
            expect(again.messages).toHaveLength(1)
            const { method, target, host, framing } = head
            expect(again.messages[0]?.head).toMatchObject({ method, target, host, framing })
          }
        }),
        { numRuns },
      )
    },
    timeout,
  )

  test(
    'is read alike by the parser of node:http',
    async () => {
      const samples = fc
        .sample(stream(request), Math.min(numRuns, 2000))
        .flatMap(forwardable)
        // It knows its methods by name, we know only their grammar.
        .filter(({ head }) => METHODS.includes(head.method))
      for (let i = 0; i < samples.length; i += 50) {
        const batch = samples.slice(i, i + 50)
        const seen = await peer.read(batch.map((sample) => sample.wire).join(''), batch.length)
        expect(seen).toEqual(batch.map(expectedOf))
      }
    },
    timeout,
  )
})

interface Forwardable {
  head: RequestHead
  message: Message
  wire: string
}

/** The complete requests of a stream as they would go to a backend. */
function forwardable(text: string): Forwardable[] {
  const heads: RequestHead[] = []
  const parse: ParseHead<AnyHead> = (bytes, start, end) => {
    const head = parseRequestHead(bytes, start, end, limits)
    if (!isFailure(head)) heads.push(head)
    return head
  }
  const reading = readAll([latin1(text)], parse)
  const result: Forwardable[] = []
  for (const [i, message] of reading.messages.entries()) {
    const head = heads[i] as RequestHead
    if (!message.complete || head.authority === '') continue
    const framing = head.framing.kind === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : ''
    const start = requestStart(head.method, head.target, head.authority)
    const fields = endToEndFields(head.fields, new Set(['host']))
    const wire =
      Buffer.from(encodeHead(`${start}${fields}${framing}\r\n`)).toString('latin1') + reading.forwarded[i]
    result.push({ head, message, wire })
  }
  return result
}

interface Seen {
  method: string
  url: string
  host: string
  fields: string[]
  body: string
  trailers: string[]
}

function expectedOf({ head, message, wire }: Forwardable): Seen {
  const lines = (wire.split('\r\n\r\n')[0] as string).split('\r\n').slice(1)
  return {
    method: head.method,
    url: head.target,
    host: head.authority,
    fields: lines.map((line) => line.replace(':', '').replace(/^(\S+) /, '$1: ')).map(normal),
    body: message.body,
    trailers: message.trailers.map(normal),
  }
}

/** Field names in lower case, because not every runtime keeps their spelling. */
function normal(line: string): string {
  const colon = line.indexOf(':')
  return line.slice(0, colon).toLowerCase() + line.slice(colon)
}

function pairs(raw: string[]): string[] {
  const lines: string[] = []
  for (let i = 0; i < raw.length; i += 2) lines.push(normal(`${raw[i]}: ${raw[i + 1]}`))
  return lines
}

/** A real `node:http` server that tells what it read. */
class Peer {
  readonly #server: Server
  #seen: Seen[] = []
  #refusal = ''

  constructor() {
    this.#server = createServer({ insecureHTTPParser: false }, (incoming, outgoing) => {
      const index = this.#seen.push(undefined as unknown as Seen) - 1
      const chunks: Buffer[] = []
      incoming.on('data', (piece: Buffer) => chunks.push(piece))
      incoming.on('end', () => {
        this.#seen[index] = seenOf(incoming, Buffer.concat(chunks).toString('latin1'))
        outgoing.end()
      })
    })
    this.#server.maxRequestsPerSocket = 0
    // What it refuses is ambiguous in its eyes; the test then shows where.
    this.#server.on('clientError', (error: Error & { rawPacket?: Buffer }, socket) => {
      this.#refusal = `${error.message} in ${JSON.stringify(error.rawPacket?.toString('latin1'))}`
      socket.destroy()
    })
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Sends bytes on one connection; returns what the server made of them when it closed the connection. */
  async read(wire: string, count: number): Promise<Seen[]> {
    this.#seen = []
    this.#refusal = ''
    const { port } = this.#server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1')
    const last = `GET /last HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n`
    socket.resume()
    socket.end(Buffer.from(wire + last, 'latin1'))
    await once(socket, 'close')
    expect(this.#refusal).toBe('')
    expect(this.#seen.at(-1)?.url).toBe('/last')
    expect(this.#seen).toHaveLength(count + 1)
    return this.#seen.slice(0, -1)
  }

  async close(): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function seenOf(incoming: IncomingMessage, body: string): Seen {
  return {
    method: incoming.method as string,
    url: incoming.url as string,
    host: incoming.headers.host as string,
    fields: pairs(incoming.rawHeaders),
    body,
    trailers: pairs(incoming.rawTrailers),
  }
}

const peer = new Peer()
beforeAll(() => peer.start())
afterAll(() => peer.close())
