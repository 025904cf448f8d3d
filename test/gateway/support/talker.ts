import { WebSocket } from 'ws'

/** A message as it came. */
export interface Received {
  readonly data: Buffer
  readonly binary: boolean
}

/** How a connection ended. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

/** A client with the `ws` package's interface whose messages can be awaited one by one. */
export class Talker {
  readonly socket: WebSocket
  readonly closed: Promise<Closed>
  /** Resolves when it is open, or rejects. */
  readonly opened: Promise<this>
  readonly #received: Received[] = []
  readonly #waiting: ((message: Received) => void)[] = []

  constructor(port: number, protocols: readonly string[] = [], deflate = false) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, [...protocols], { perMessageDeflate: deflate })
    this.socket = socket
    this.opened = new Promise((resolve, reject) => {
      socket.once('open', () => resolve(this))
      socket.on('error', reject)
    })
    // Whoever only waits for the end must not see an unhandled rejection.
    this.opened.catch(() => {})
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
    })
    socket.on('message', (data, binary) => this.#take({ data: data as Buffer, binary }))
  }

  /** The next message. */
  next(): Promise<Received> {
    const message = this.#received.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Sends and returns what comes next. */
  async ask(data: string | Uint8Array): Promise<Received> {
    this.socket.send(data)
    return this.next()
  }

  #take(message: Received): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#received.push(message)
    else waiting(message)
  }
}
