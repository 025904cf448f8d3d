import { connect, type Socket } from 'node:net'
import { type Message, MessageReader } from './message-reader.ts'

/** How a peer ended its side: in order, or by a reset. */
export type Ending = 'fin' | 'reset'

/** One end of a byte stream in a test: sends what it is told, remembers what came, waits for more. */
export class Wire {
  readonly socket: Socket
  #received: Buffer[] = []
  #length = 0
  #ending: Ending | null = null
  #changed: () => void = () => {}
  #change: Promise<void> = Promise.resolve()

  constructor(socket: Socket) {
    this.socket = socket
    this.#renew()
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.#length += chunk.length
      this.#tell()
    })
    socket.on('end', () => this.#end('fin'))
    socket.on('error', () => this.#end('reset'))
    socket.on('close', (failed) => this.#end(failed ? 'reset' : 'fin'))
  }

  /** Connects to a port of 127.0.0.1, to `[::1]:port`, or to the path of a Unix socket. */
  static async to(target: number | string): Promise<Wire> {
    const options = placeOf(target)
    const socket = connect({ ...options, allowHalfOpen: true, noDelay: true } as never)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new Wire(socket)
  }

  /** Bytes that have come and were not taken yet. */
  get pending(): number {
    return this.#length
  }

  send(data: string | Uint8Array): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    return this
  }

  /** Sends and resolves when the kernel took all of it, or the stream is broken. */
  async flush(data: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.socket.write(data, () => resolve())
    })
  }

  /** Sends FIN behind everything sent so far; reading goes on. */
  end(): void {
    this.socket.end()
  }

  reset(): void {
    try {
      this.socket.resetAndDestroy()
    } catch {
      this.socket.destroy()
    }
  }

  close(): void {
    this.socket.destroy()
  }

  /** The bytes up to and including `mark`. */
  async until(mark: string): Promise<string> {
    for (;;) {
      const at = this.#all().indexOf(mark, 0, 'latin1')
      if (at !== -1) return this.#take(at + mark.length).toString('latin1')
      await this.#more(mark)
    }
  }

  /** So many bytes. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#length < count) await this.#more(`${count} bytes`)
    return this.#take(count)
  }

  /** The next whole message. For an answer to HEAD say so: its framing does not tell that it has no body. */
  async message(kind: 'request' | 'response' | 'response to HEAD' = 'response'): Promise<Message> {
    const reader = new MessageReader(kind)
    for (;;) {
      const end = reader.read(this.#all(), this.#ending === 'fin')
      if (end !== -1) {
        this.#take(end)
        return reader.message
      }
      await this.#more(`a ${kind}`)
    }
  }

  /** How the peer ended its side, once it has. */
  async ending(): Promise<Ending> {
    while (this.#ending === null) await this.#change
    return this.#ending
  }

  /** Everything until the end of the stream, and how that came. */
  async rest(): Promise<{ readonly text: string; readonly ending: Ending }> {
    const ending = await this.ending()
    return { text: this.#take(this.#length).toString('latin1'), ending }
  }

  #all(): Buffer {
    if (this.#received.length !== 1) this.#received = [Buffer.concat(this.#received)]
    return this.#received[0] as Buffer
  }

  #take(count: number): Buffer {
    const all = this.#all()
    this.#received = [all.subarray(count)]
    this.#length -= count
    return all.subarray(0, count)
  }

  async #more(wanted: string): Promise<void> {
    if (this.#ending !== null) {
      const held = JSON.stringify(this.#all().toString('latin1').slice(0, 500))
      throw new Error(`the stream ended (${this.#ending}) before ${wanted} came; it held ${held}`)
    }
    await this.#change
  }

  #end(how: Ending): void {
    if (this.#ending === 'reset') return
    if (this.#ending === 'fin' && how === 'fin') return
    this.#ending = how
    this.#tell()
  }

  #tell(): void {
    const changed = this.#changed
    this.#renew()
    changed()
  }

  #renew(): void {
    this.#change = new Promise((resolve) => {
      this.#changed = resolve
    })
  }
}

function placeOf(target: number | string): object {
  if (typeof target === 'number') return { host: '127.0.0.1', port: target }
  return target.startsWith('[::1]:') ? { host: '::1', port: Number(target.slice(6)) } : { path: target }
}
