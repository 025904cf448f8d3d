import { createHash } from 'node:crypto'
import type { ConnectTarget, SocketError, SocketPort } from '../../../src/net/socket.ts'
import { type Message, MessageReader } from '../../gateway/support/message-reader.ts'
import type { Book, RequestRecord } from './book.ts'
import { Conversation, TunnelRecord } from './conversation.ts'
import { Party, type Surroundings } from './party.ts'
import type { SimSocket } from './sim-socket.ts'

const patience = 600_000

/** Sends requests, one after the other or many at once, and holds each answer against the book. */
export class HttpClient extends Party {
  /** All its requests were answered, or it has given up. */
  done = false
  readonly #book: Book
  readonly #name: string
  readonly #open: RequestRecord[] = []
  readonly #pipelines: boolean
  #left: number
  #heard = Buffer.alloc(0)
  #serial = 0
  #last = false

  constructor(around: Surroundings, book: Book, sockets: SocketPort, target: ConnectTarget, name: string) {
    super(around)
    this.#book = book
    this.#name = name
    this.#left = this.chance.int(1, 6)
    this.#pipelines = this.chance.is(0.4)
    this.socket = sockets.connect(target, patience, this, null) as SimSocket
  }

  override onOpen(): void {
    this.#next()
    if (!this.around.calm && this.chance.is(0.1)) {
      this.around.world.after(this.chance.size(2000), () => this.#giveUp())
    }
  }

  protected heard(chunk: Uint8Array): void {
    this.#heard = Buffer.concat([this.#heard, chunk])
    this.#read(false)
  }

  protected heardFin(): void {
    this.#read(true)
    if (this.#heard.length > 0) this.around.world.violated('an answer was cut by a FIN, as if it was whole')
    this.done = true
    this.sayEnd()
  }

  protected left(error: SocketError | null): void {
    this.done = true
    if (this.around.calm && (this.#open.length > 0 || this.#left > 0) && error !== null) {
      this.around.world.violated(`client ${this.#name} lost its connection (${error.code}) in calm weather`)
    }
  }

  #giveUp(): void {
    if (this.gone) return
    this.done = true
    this.around.count('a client gave up')
    if (this.chance.is(0.5)) this.socket.abort()
    else this.sayEnd()
  }

  #next(): void {
    if (this.gone || this.heardEnd || this.done) return
    if (this.#left === 0 || this.#last) {
      if (this.#open.length > 0) return
      this.done = true
      if (this.chance.is(0.7)) this.sayEnd()
      return
    }
    this.#left--
    this.#request()
    if (this.#pipelines && this.#left > 0) this.#next()
  }

  #request(): void {
    const { chance, around } = this
    const id = `${this.#name}.${this.#serial++}`
    const method = chance.pick(['GET', 'GET', 'HEAD', 'POST', 'PUT'])
    const withBody = method === 'POST' || method === 'PUT'
    const body = withBody ? `${id}-`.repeat(chance.size(around.largest) / 8) : ''
    const record = { id, method, body, deliveries: 0 }
    this.#book.requests.set(id, record)
    this.#open.push(record)
    this.#last = chance.is(0.1)
    let head = `${method} /http/${id} HTTP/1.1\r\nHost: sim.test\r\nX-Id: ${id}\r\n`
    if (this.#last) head += 'Connection: close\r\n'
    if (!withBody) this.say(Buffer.from(`${head}\r\n`))
    else if (chance.is(0.5)) this.say(Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`))
    else this.say(Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n${chunks(body)}`))
  }

  #read(ended: boolean): void {
    for (;;) {
      const request = this.#open[0]
      if (this.#heard.length === 0) return
      // Whoever gives up on half a head cannot know that it is one of HEAD.
      const refused = this.#heard.toString('latin1', 0, 12) === 'HTTP/1.1 408'
      const bodiless = request?.method === 'HEAD' && !refused
      const reader = new MessageReader(bodiless ? 'response to HEAD' : 'response')
      const end = readSafely(this, reader, this.#heard, ended)
      if (end === -1) return
      this.#heard = this.#heard.subarray(end)
      if (reader.message.status >= 100 && reader.message.status < 200) continue
      this.#answered(reader.message, request)
    }
  }

  #answered(answer: Message, request: RequestRecord | undefined): void {
    const { around } = this
    this.#open.shift()
    const number = answer.fields.get('x-answer')?.[0]
    if (number === undefined) {
      checkOwnAnswer(around, answer)
    } else if (number === '-1') {
      // Said unasked, it arrived behind the next request: HTTP/1.1 has no means to tell (RFC 9112 §9.3).
      around.count('an unasked answer was taken for another')
    } else {
      const record = this.#book.answers[Number(number)]
      if (request === undefined) around.world.violated('an answer without a request')
      else if (
        record === undefined ||
        record.id !== request.id ||
        answer.fields.get('x-echo')?.[0] !== request.id
      ) {
        around.world.violated(`the answer to ${request.id} is that to ${record?.id}`)
      } else if (!record.complete || record.body !== answer.body) {
        around.world.violated(`the answer to ${request.id} is not what the backend said`)
      }
      around.count(`answer ${answer.status}`)
    }
    if (answer.fields.get('connection')?.includes('close')) this.#last = true
    if (!this.#pipelines || this.#last) this.around.world.after(this.chance.size(500), () => this.#next())
    else if (this.#open.length === 0) this.#next()
  }
}

/** Opens a tunnel and talks. */
export class TunnelClient extends Party {
  done = false
  readonly record: TunnelRecord
  readonly #talk: Conversation
  readonly #key: string
  #heard = Buffer.alloc(0)
  #open = false

  constructor(around: Surroundings, book: Book, sockets: SocketPort, target: ConnectTarget, name: string) {
    super(around)
    this.record = new TunnelRecord(name)
    this.record.client = this
    book.tunnels.set(name, this.record)
    book.upgrades.add(name)
    this.#key = createHash('md5').update(name).digest('base64')
    this.#talk = new Conversation(this, this.record, 'client')
    this.socket = sockets.connect(target, patience, this, null) as SimSocket
  }

  override onOpen(): void {
    this.say(
      Buffer.from(
        `GET /ws/${this.record.id} HTTP/1.1\r\nHost: sim.test\r\nX-Id: ${this.record.id}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${this.#key}\r\n\r\n`,
      ),
    )
    // Not allowed, but some do it.
    if (this.chance.is(0.2)) for (let i = 0; i < 3; i++) this.#talk.message()
    if (!this.around.calm && this.chance.is(0.1)) {
      this.around.world.after(this.chance.size(500), () => {
        if (!this.gone) this.socket.abort()
      })
    }
  }

  protected heard(chunk: Uint8Array): void {
    if (this.#open) {
      this.#talk.hear(chunk)
      return
    }
    // What it said early may be taken for another request.
    if (this.done) return
    this.#heard = Buffer.concat([this.#heard, chunk])
    const reader = new MessageReader('response')
    const end = readSafely(this, reader, this.#heard, false)
    if (end === -1) return
    const answer = reader.message
    const rest = this.#heard.subarray(end)
    this.#heard = rest
    if (answer.status === 103) {
      if (rest.length > 0) this.heard(Buffer.alloc(0))
      return
    }
    if (answer.status !== 101) {
      this.#declined(answer)
      return
    }
    this.#open = true
    this.around.count('tunnel')
    if (answer.fields.get('x-echo')?.[0] !== this.record.id)
      this.around.world.violated('a 101 for somebody else')
    const accept = createHash('sha1')
      .update(`${this.#key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    if (answer.fields.get('sec-websocket-accept')?.[0] !== accept)
      this.around.world.violated('a 101 with a wrong key')
    this.#talk.start()
    if (rest.length > 0) this.#talk.hear(rest)
  }

  protected heardFin(): void {
    this.done = true
    this.sayEnd()
  }

  protected left(): void {
    this.done = true
    if (this.#open) this.#talk.left()
  }

  #declined(answer: Message): void {
    this.done = true
    if (answer.fields.get('x-answer') === undefined) checkOwnAnswer(this.around, answer)
    else if (answer.fields.get('x-echo')?.[0] !== this.record.id) {
      this.around.world.violated('the answer to an upgrade is that to somebody else')
    }
    this.around.count('an upgrade was declined')
    this.sayEnd()
  }
}

/** An answer that the gateway gave itself. */
function checkOwnAnswer(around: Surroundings, { status, body, fields }: Message): void {
  const code = /\(([A-Z_]+), request \S+\)\n$/.exec(body)?.[1]
  around.count(`gateway ${status} ${code}`)
  if (![408, 429, 502, 503, 504].includes(status))
    around.world.violated(`the gateway answered ${status} ${body}`)
  if (fields.get('content-length') === undefined)
    around.world.violated('an answer of the gateway without length')
  if (around.calm) around.world.violated(`in calm weather the gateway answered ${status} ${body}`)
}

function readSafely({ around }: Party, reader: MessageReader, heard: Buffer, ended: boolean): number {
  const start = heard.toString('latin1', 0, 12)
  if (start.length === 12 && !/^HTTP\/1\.1 \d{3}$/.test(start))
    around.world.violated(`no status line: ${start}`)
  try {
    return reader.read(heard, ended)
  } catch (error) {
    around.world.violated(`a client got what is no HTTP: ${error}`)
    return -1
  }
}

function chunks(body: string): string {
  const end = '0\r\n\r\n'
  return body === '' ? end : `${body.length.toString(16)};x=y\r\n${body}\r\n${end}`
}
