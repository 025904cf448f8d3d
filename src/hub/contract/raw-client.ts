import { connect, type Socket } from 'node:net'

/** What a client has received: one frame. */
export interface Frame {
  readonly opcode: number
  readonly fin: boolean
  readonly rsv1: boolean
  readonly payload: Buffer
}

export interface RawClientOptions {
  readonly port: number
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Keeps its side open after the server's FIN. */
  readonly allowHalfOpen?: boolean
}

const key = 'dGhlIHNhbXBsZSBub25jZQ=='

/** A WebSocket client that does exactly what it is told, byte by byte: nothing is answered by itself. */
export class RawClient {
  readonly socket: Socket
  /** Frames that nobody has taken yet. */
  readonly frames: Frame[] = []
  /** The head of the server's answer, once it is there. */
  head = ''
  /** Everything after a head that is not a 101. */
  body = ''
  bytesRead = 0
  reads = 0
  ended = false
  closed = false
  #rest: Buffer = Buffer.alloc(0)
  #changed: (() => void)[] = []

  private constructor(options: RawClientOptions) {
    const { port, path = '/', headers = {}, allowHalfOpen = false } = options
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
    this.socket.setNoDelay(true)
    this.socket.on('error', () => {})
    this.socket.on('data', (chunk) => this.#read(chunk as Buffer))
    this.socket.on('end', () => {
      this.ended = true
      this.#tell()
    })
    this.socket.on('close', () => {
      this.closed = true
      this.#tell()
    })
    const all = { Host: `127.0.0.1:${port}`, ...upgradeFields, ...headers }
    const fields = Object.entries(all)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    this.socket.write(`GET ${path} HTTP/1.1\r\n${fields}\r\n`)
  }

  /** Sends a handshake and waits for nothing. */
  static start(options: RawClientOptions): RawClient {
    return new RawClient(options)
  }

  /** A client whose handshake has been answered. */
  static async connect(options: RawClientOptions): Promise<RawClient> {
    const client = new RawClient(options)
    await client.until(() => client.head !== '' || client.closed)
    return client
  }

  /** A client that is in. */
  static async open(options: RawClientOptions): Promise<RawClient> {
    const client = await RawClient.connect(options)
    if (client.status !== 101) throw new Error(`expected a 101, found ${client.head}`)
    return client
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.head)?.[1] ?? 0)
  }

  /** A field of the answer. */
  field(name: string): string | undefined {
    return new RegExp(`^${name}: (.*)$`, 'im').exec(this.head)?.[1]?.trim()
  }

  text(data: string): void {
    this.socket.write(clientFrame(1, Buffer.from(data)))
  }

  binary(data: Uint8Array): void {
    this.socket.write(clientFrame(2, Buffer.from(data)))
  }

  ping(data = ''): void {
    this.socket.write(clientFrame(9, Buffer.from(data)))
  }

  close(code?: number, reason = ''): void {
    this.socket.write(clientFrame(8, code === undefined ? Buffer.alloc(0) : closePayload(code, reason)))
  }

  /** The next frame. */
  async next(milliseconds?: number): Promise<Frame> {
    await this.until(() => this.frames.length > 0 || this.closed, milliseconds)
    const frame = this.frames.shift()
    if (frame === undefined) throw new Error('the connection ended without a further frame')
    return frame
  }

  /** The next frame, which must be text. */
  async nextText(milliseconds?: number): Promise<string> {
    const { opcode, payload } = await this.next(milliseconds)
    if (opcode !== 1) throw new Error(`expected text, found opcode ${opcode} with ${payload.toString('hex')}`)
    return payload.toString()
  }

  /** The code of the next Close; everything before it is skipped. */
  async nextClose(milliseconds?: number): Promise<{ readonly code: number; readonly reason: string }> {
    for (;;) {
      const { opcode, payload } = await this.next(milliseconds)
      if (opcode !== 8) continue
      return {
        code: payload.length < 2 ? 1005 : payload.readUInt16BE(0),
        reason: payload.subarray(2).toString(),
      }
    }
  }

  /** Waits until something holds, looking at each event of the socket. */
  async until(holds: () => boolean, milliseconds = 8000): Promise<void> {
    const deadline = performance.now() + milliseconds
    while (!holds()) {
      const left = deadline - performance.now()
      if (left <= 0) throw new Error('what was waited for did not happen')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 100))
        this.#changed.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Cuts with a reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  #read(chunk: Buffer): void {
    this.bytesRead += chunk.length
    this.reads++
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    if (this.head === '') this.#readHead()
    if (this.status === 101) this.#readFrames()
    else if (this.head !== '') {
      this.body += this.#rest.toString()
      this.#rest = Buffer.alloc(0)
    }
    this.#tell()
  }

  #readHead(): void {
    const end = this.#rest.indexOf('\r\n\r\n')
    if (end === -1) return
    this.head = this.#rest.subarray(0, end).toString()
    this.#rest = this.#rest.subarray(end + 4)
  }

  #readFrames(): void {
    for (;;) {
      const parsed = parseFrame(this.#rest)
      if (parsed === null) return
      this.#rest = this.#rest.subarray(parsed.length)
      this.frames.push(parsed.frame)
    }
  }

  #tell(): void {
    const waiting = this.#changed
    this.#changed = []
    for (const wake of waiting) wake()
  }
}

const upgradeFields = {
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': key,
  'Sec-WebSocket-Version': '13',
}

/** A frame as a client sends it, masked with zeros. */
export function clientFrame(opcode: number, payload: Uint8Array, bits = 0x80): Buffer {
  const { length } = payload
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const header = Buffer.alloc(6 + size)
  header[0] = bits | opcode
  header[1] = 0x80 | (size === 0 ? length : size === 2 ? 126 : 127)
  if (size === 2) header.writeUInt16BE(length, 2)
  if (size === 8) header.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([header, payload])
}

function closePayload(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code)
  payload.write(reason, 2)
  return payload
}

function parseFrame(bytes: Buffer): { readonly frame: Frame; readonly length: number } | null {
  if (bytes.length < 2) return null
  const [first, second] = [bytes[0] as number, bytes[1] as number]
  if ((second & 0x80) !== 0) throw new Error('the server has masked a frame')
  let size = second & 0x7f
  let start = 2
  if (size === 126) {
    if (bytes.length < 4) return null
    size = bytes.readUInt16BE(2)
    start = 4
  } else if (size === 127) {
    if (bytes.length < 10) return null
    size = Number(bytes.readBigUInt64BE(2))
    start = 10
  }
  if (bytes.length < start + size) return null
  const payload = Buffer.from(bytes.subarray(start, start + size))
  const frame = { opcode: first & 0xf, fin: (first & 0x80) !== 0, rsv1: (first & 0x40) !== 0, payload }
  return { frame, length: start + size }
}
