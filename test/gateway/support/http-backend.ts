import { createServer, type RequestListener, type Server } from 'node:http'

/** A backend made of the runtime's own HTTP server. */
export class HttpBackend {
  readonly #server: Server
  /** TCP connections so far. */
  connections = 0

  constructor(listener: RequestListener) {
    this.#server = createServer(listener)
    this.#server.on('connection', () => {
      this.connections++
    })
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  /** Tells what the server's own parser found wrong with what came (`HPE_...`), or what broke (`ECONNRESET`). */
  onComplaint(tell: (code: string) => void): void {
    this.#server.on('clientError', (error: Error & { code?: string }, socket) => {
      tell(error.code ?? error.message)
      socket.destroy()
    })
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeAllConnections()
    await closed
  }
}
