import { createHash } from 'node:crypto'
import type { SocketError, SocketPort } from '../../../src/net/socket.ts'
import { type Message, MessageReader } from '../../gateway/support/message-reader.ts'
import type { AnswerRecord, Book } from './book.ts'
import { Conversation } from './conversation.ts'
import { Party, type Surroundings } from './party.ts'
import type { Fate, SimNetwork } from './sim-network.ts'
import type { SimSocket } from './sim-socket.ts'

/** A server with a mood. */
export class SimBackend {
  readonly address: string
  /** Whether it misbehaves. */
  ill = false
  readonly #around: Surroundings

  constructor(around: Surroundings, book: Book, network: SimNetwork, sockets: SocketPort, port: number) {
    this.#around = around
    this.address = `127.0.0.1:${port}`
    network.fates.set(String(port), () => this.#fate())
    void sockets.listen({ port }, (socket) => {
      socket.handler = new BackendParty(around, book, this, socket as SimSocket)
    })
  }

  #fate(): Fate {
    const { calm, chance } = this.#around
    if (calm || !chance.is(this.ill ? 0.6 : 0.03)) return 'connect'
    return chance.pick(['refused', 'hang', 'reset', 'exhausted', 'unreachable'])
  }
}

type Mood = 'well' | 'cut' | 'reset' | 'hang' | 'nonsense'

/** One connection at a backend. */
class BackendParty extends Party {
  readonly #book: Book
  readonly #site: SimBackend
  #heard = Buffer.alloc(0)
  #talk: Conversation | null = null
  #busy = false
  /** The request whose head has come. */
  #noted = ''

  constructor(around: Surroundings, book: Book, site: SimBackend, socket: SimSocket) {
    super(around)
    this.#book = book
    this.#site = site
    this.socket = socket
  }

  protected heard(chunk: Uint8Array): void {
    if (this.#talk !== null) {
      this.#talk.hear(chunk)
      return
    }
    this.#heard = Buffer.concat([this.#heard, chunk])
    this.#read()
  }

  protected heardFin(): void {
    if (this.#talk !== null) this.#talk.heardFin()
    else if (!this.#busy) this.sayEnd()
  }

  protected left(_error: SocketError | null): void {
    this.#talk?.left()
  }

  #read(): void {
    this.#noteHead()
    if (this.#busy || this.#heard.length === 0) return
    const reader = new MessageReader('request')
    const end = this.#try(() => reader.read(this.#heard, false))
    if (end === -1) return
    this.#heard = this.#heard.subarray(end)
    this.#noted = ''
    this.#busy = true
    const { around } = this
    const request = reader.message
    const id = request.fields.get('x-id')?.[0]
    const known = id === undefined ? undefined : this.#book.requests.get(id)
    if (id !== undefined && known === undefined && !this.#book.upgrades.has(id)) {
      around.world.violated(`a backend got a request ${id} that nobody sent`)
    }
    if (known !== undefined && request.body !== known.body) {
      around.world.violated(`the body of ${id} arrived as ${request.body.length} bytes that were not sent`)
    }
    const wait = this.chance.is(0.5) ? 0 : this.chance.size(300)
    around.world.after(wait, () => {
      if (!this.gone) this.#answer(request, id ?? null)
    })
  }

  /** Counts a request as delivered as soon as its head is there. */
  #noteHead(): void {
    if (this.#busy || this.#noted !== '') return
    const head = this.#heard.indexOf('\r\n\r\n')
    if (head === -1) return
    this.#noted = /x-id: (\S+)/i.exec(this.#heard.toString('latin1', 0, head))?.[1] ?? '-'
    const known = this.#book.requests.get(this.#noted)
    if (known === undefined) return
    known.deliveries++
    const once = known.method === 'POST' || known.body !== ''
    if (known.deliveries > 1 && once) {
      this.around.world.violated(`${known.method} ${known.id} reached backends ${known.deliveries} times`)
    }
    if (known.deliveries > 1) this.around.count('a request was repeated')
  }

  #try(read: () => number): number {
    try {
      return read()
    } catch (error) {
      this.around.world.violated(`a backend got what is no HTTP: ${error}`)
      return -1
    }
  }

  #answer(request: Message, id: string | null): void {
    const upgrade = request.fields.get('upgrade')?.[0] === 'websocket'
    const mood = this.#mood()
    this.around.count(`backend ${upgrade ? 'upgrade' : 'request'} ${mood}`)
    if (mood === 'hang') return
    if (mood === 'reset') this.socket.abort()
    else if (mood === 'cut' && upgrade) this.sayEnd()
    else if (mood === 'nonsense') {
      this.say(
        Buffer.from(
          this.chance.pick(['HTTP/1.1 2000 Yes\r\n\r\n', '\x16\x03\x01', 'HTTP/1.1 101 Go\r\n\r\n']),
        ),
      )
    } else if (upgrade) this.#upgrade(request, id)
    else this.#respond(request, id, mood === 'cut')
  }

  #mood(): Mood {
    if (this.around.calm) return 'well'
    return this.chance.weighted<Mood>(
      this.#site.ill
        ? { well: 1, cut: 1, reset: 1, hang: 1, nonsense: 1 }
        : { well: 30, cut: 3, reset: 1, hang: 0.5, nonsense: 0.5 },
    )
  }

  #upgrade(request: Message, id: string | null): void {
    const { chance, around } = this
    if (!around.calm && chance.is(0.1)) {
      this.#respond(request, id, false)
      return
    }
    const key = request.fields.get('sec-websocket-key')?.[0] ?? ''
    const right = around.calm || chance.is(0.95)
    const accept = createHash('sha1')
      .update(`${right ? key : ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    const echo = id === null ? '' : `X-Echo: ${id}\r\n`
    this.say(
      Buffer.from(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${echo}Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
      ),
    )
    if (!right) return
    const record = id === null ? null : (this.#book.tunnels.get(id) ?? null)
    if (record !== null) {
      if (!record.agreed(this)) around.world.violated(`the upgrade ${id} was answered already`)
    }
    this.#talk = new Conversation(this, record, 'backend')
    this.#talk.start()
    if (this.#heard.length > 0) this.#talk.hear(this.#heard)
    if (this.heardEnd) this.#talk.heardFin()
  }

  #respond(request: Message, id: string | null, cut: boolean): void {
    const { chance, around } = this
    const head = request.start.startsWith('HEAD')
    const faulty = !around.calm && chance.is(this.#site.ill ? 0.5 : 0.05)
    const status = faulty ? 503 : chance.pick([200, 200, 200, 204, 404])
    const body = status === 204 ? '' : `${id} `.repeat(chance.size(around.largest) / 8)
    const number = this.#book.answers.length
    const record: AnswerRecord = { id: id ?? '', body: head ? '' : body, complete: false }
    this.#book.answers.push(record)
    const framing = status === 204 ? 'none' : chance.pick(['length', 'length', 'chunked', 'close'] as const)
    const close = framing === 'close' || chance.is(0.1)
    let text = `HTTP/1.1 ${status} Said\r\nX-Echo: ${id}\r\nX-Answer: ${number}\r\n`
    if (close) text += 'Connection: close\r\n'
    if (framing === 'length') text += `Content-Length: ${body.length}\r\n`
    if (framing === 'chunked') text += 'Transfer-Encoding: chunked\r\n'
    const interim = chance.is(0.1) ? 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' : ''
    const content = head ? '' : framing === 'chunked' ? chunked(body) : body
    const whole = Buffer.from(`${interim}${text}\r\n${content}`)
    if (cut && !(framing === 'close')) {
      // A body that lasts until the end of the connection would be whole, only shorter.
      this.say(whole.subarray(0, chance.int(0, whole.length - 1)))
      this.sayEnd()
      return
    }
    record.complete = true
    this.say(whole)
    if (!around.calm && !close && chance.is(0.05)) {
      // An answer that nobody asked for.
      around.count('backend babbles')
      this.say(
        Buffer.from('HTTP/1.1 200 Babble\r\nX-Echo: nobody\r\nX-Answer: -1\r\nContent-Length: 0\r\n\r\n'),
      )
    }
    if (close) this.sayEnd()
    else {
      this.#busy = false
      this.#read()
      if (this.heardEnd && !this.#busy) this.sayEnd()
    }
  }
}

function chunked(body: string): string {
  let text = ''
  for (let at = 0; at < body.length; at += 700) {
    const part = body.slice(at, at + 700)
    text += `${part.length.toString(16)}\r\n${part}\r\n`
  }
  return `${text}0\r\n\r\n`
}
