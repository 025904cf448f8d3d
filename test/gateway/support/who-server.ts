import { createServer, type Server } from 'node:http'
import { WebSocketServer } from 'ws'

/** A server of HTTP and WebSocket clients that tells its name to both. */
export class WhoServer {
  readonly name: string
  readonly #http: Server

  constructor(name: string) {
    this.name = name
    this.#http = createServer((request, response) => {
      if (request.url?.startsWith('/slow')) this.waiting.push(() => response.end(name))
      else response.end(name)
    })
    const sockets = new WebSocketServer({ server: this.#http })
    sockets.on('connection', (socket) => socket.send(name))
  }

  /** Answers to `/slow` that are held back. */
  readonly waiting: (() => void)[] = []

  get address(): string {
    return `127.0.0.1:${(this.#http.address() as { port: number }).port}`
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve))
    return this
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#http.close(() => resolve())
    })
    this.#http.closeAllConnections()
    await closed
  }
}
