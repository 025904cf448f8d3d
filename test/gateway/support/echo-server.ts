import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'

interface EchoOptions {
  /** Subprotocol it takes when it is offered. */
  readonly protocol?: string
  readonly deflate?: boolean
  /** What to do with a new connection instead of echoing. */
  readonly onConnection?: (socket: WebSocket) => void
}

/** A real WebSocket server, by default one that sends everything back as it came. */
export class EchoServer {
  readonly #http: Server = createServer((_request, response) => {
    response.end('plain')
  })
  /** WebSocket connections so far. */
  connections = 0
  /** TCP connections so far, probes among them. */
  accepted = 0

  constructor({ protocol, deflate = false, onConnection = echo }: EchoOptions = {}) {
    const sockets = new WebSocketServer({
      server: this.#http,
      perMessageDeflate: deflate ? { threshold: 0 } : false,
      maxPayload: 64 * 1024 * 1024,
      handleProtocols: (offered) => (protocol !== undefined && offered.has(protocol) ? protocol : false),
    })
    this.#http.on('connection', () => this.accepted++)
    sockets.on('connection', (socket) => {
      this.connections++
      onConnection(socket)
    })
  }

  get address(): string {
    return `127.0.0.1:${(this.#http.address() as { port: number }).port}`
  }

  async listen(): Promise<this> {
    this.#http.listen(0, '127.0.0.1')
    await once(this.#http, 'listening')
    return this
  }

  close(): void {
    this.#http.closeAllConnections()
    this.#http.close()
  }
}

function echo(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}
