import { connect, type Socket } from 'node:net'
import { Closing } from './closing.ts'

const request = `GET /fleet HTTP/1.1\r\nHost: fleet.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** The masking key is 0, which is legal and leaves the payload as it is. */
const close1000 = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0])

/** How a client may leave. */
export const partings = ['close', 'fin', 'reset'] as const
export type Parting = (typeof partings)[number]

/** Whom a client tells what happens to it. Exactly one of `refused` and `gone` is the last word. */
export interface Captain {
  /** It has been greeted by a server. */
  entered(member: Member): void
  /** There was no tunnel: with the status, or with how the connection ended. */
  refused(member: Member, why: string): void
  /** The tunnel is over. @param how with what it ended, or null when the client itself had left */
  gone(member: Member, how: string | null): void
}

/** One client of the fleet: a tunnel made of a bare socket, by which server it does not choose. */
export class Member {
  /** Name of its server, '' before the greeting. */
  server = ''
  readonly #captain: Captain
  readonly #socket: Socket
  #head: Buffer | null = Buffer.alloc(0)
  readonly #closing = new Closing()
  #leaving = false
  /** What ended it, when that is known. */
  #how: string | null = null

  constructor(port: number, captain: Captain) {
    this.#captain = captain
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.#socket = socket
    socket.write(request)
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => {
      this.#how ??= 'fin'
      socket.end()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#how ??= error.code === 'ECONNRESET' ? 'reset' : (error.code ?? error.message)
    })
    socket.on('close', () => this.#over())
  }

  leave(how: Parting): void {
    if (this.#leaving) return
    this.#leaving = true
    if (how === 'close') this.#socket.write(close1000)
    else if (how === 'fin') this.#socket.end()
    else this.#socket.resetAndDestroy()
  }

  /** A sign of life that nobody has to answer to us. */
  speak(): void {
    this.#socket.write(ping)
  }

  #read(chunk: Buffer): void {
    if (this.#head === null) {
      this.#follow(chunk)
      return
    }
    this.#head = Buffer.concat([this.#head, chunk])
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return
    const text = this.#head.toString('latin1', 0, end)
    if (!text.startsWith('HTTP/1.1 101 ') || !text.includes(accept)) {
      this.#how = text.slice(9, 12)
      this.#socket.destroy()
      return
    }
    const greeting = this.#head.subarray(end + 4)
    if (greeting.length < 2 || greeting.length < 2 + (greeting[1] as number)) return
    const length = greeting[1] as number
    this.server = greeting.toString('latin1', 2, 2 + length)
    this.#head = null
    this.#captain.entered(this)
    if (greeting.length > 2 + length) this.#follow(greeting.subarray(2 + length))
  }

  #follow(chunk: Buffer): void {
    const code = this.#closing.read(chunk)
    if (code === null) return
    this.#how ??= `close ${code}`
    // Answered, unless it is the answer; the server ends the connection (RFC 6455 §7.1.1).
    if (!this.#leaving) this.#socket.write(Buffer.from([0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 255]))
  }

  #over(): void {
    const how = this.#how ?? 'end'
    if (this.server === '') this.#captain.refused(this, how)
    else this.#captain.gone(this, this.#leaving ? null : how)
  }
}
