import { createServer, type Server } from 'node:net'
import { Wire } from './wire.ts'

/** A backend that speaks exactly the bytes a test wants. */
export class RawBackend {
  /** Connections in the order they came, dead ones included. */
  readonly connections: Wire[] = []
  readonly #server: Server
  #waiting: (() => void)[] = []

  /** @param onConnection what to do with each connection; without it, the test takes them with `connection` */
  constructor(onConnection: (wire: Wire, index: number) => unknown = () => {}) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const wire = new Wire(socket)
      const index = this.connections.push(wire) - 1
      for (const resolve of this.#waiting.splice(0)) resolve()
      // A script that waits for bytes which never come ends when its connection is closed by the test.
      void Promise.resolve(onConnection(wire, index)).catch(() => {})
    })
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Address as a pool names it. */
  get address(): string {
    const bound = this.#server.address()
    if (typeof bound === 'string') return `unix:${bound}`
    return bound?.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `127.0.0.1:${bound?.port}`
  }

  /** @param target path of a Unix socket, or IP address to bind */
  async listen(target = '127.0.0.1', port = 0): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      if (target.startsWith('/')) this.#server.listen(target, resolve)
      else this.#server.listen({ host: target, port }, resolve)
    })
    return this
  }

  /** The connection with this number, counted from 0, once it has come. */
  async connection(index: number): Promise<Wire> {
    for (;;) {
      const wire = this.connections[index]
      if (wire !== undefined) return wire
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  async close(): Promise<void> {
    for (const wire of this.connections) wire.close()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}

/** Answers every request with 200 and this text, over one connection after another. */
export function answering(text: string): (wire: Wire) => Promise<void> {
  return async (wire) => {
    for (;;) {
      await wire.message('request')
      wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
    }
  }
}
