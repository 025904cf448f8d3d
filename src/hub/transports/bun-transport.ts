import { systemClock } from '../clock.ts'
import type { Message } from '../message.ts'
import { problemOfProtocols } from '../subprotocols.ts'
import type { Admission, TransportOptions } from '../transport.ts'
import { BunConnection, type BunHost } from './bun-connection.ts'
import type { BunServer, BunWebSocketHandler } from './bun-types.ts'
import { FetchHandshake } from './fetch-handshake.ts'
import { HandshakeCollector, type RuntimeMemory } from './handshake-collector.ts'

const bunMemory: RuntimeMemory = {
  residentBytes: () => process.memoryUsage.rss(),
  collect: () => Bun.gc(false),
}

/** Messages of at least so many bytes are compressed, where compression was agreed on. */
const compressFrom = 1024

/** WebSockets of Bun's own server. */
export class BunTransport implements BunHost {
  readonly #options: TransportOptions
  /** Those that have connections of ours, and perhaps some that had. Each has topics of its own. */
  readonly #servers = new Set<BunServer>()
  readonly #collector: HandshakeCollector
  /** For `Bun.serve({ websocket })`. */
  readonly websocket: BunWebSocketHandler<BunConnection>

  constructor(options: TransportOptions, memory = bunMemory) {
    this.#options = options
    this.#collector = new HandshakeCollector(memory, systemClock)
    this.websocket = {
      maxPayloadLength: options.maxMessage,
      // The hub's queue is the limit, and nothing must be dropped behind its back.
      backpressureLimit: 0,
      // The hub's heartbeat finds the dead.
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: options.compression,
      open: (socket) => socket.data.opened(socket),
      message: (socket, data) => socket.data.received(data),
      pong: (socket) => socket.data.ponged(),
      ping: (socket, data) => socket.data.pinged(data.length),
      drain: (socket) => socket.data.drained(),
      close: (socket, code, reason) => socket.data.ended(code, reason),
    }
  }

  get closeTimeout(): number {
    return this.#options.closeTimeout
  }

  compresses(message: Message): boolean {
    return this.#options.compression && message.size >= compressFrom
  }

  publish(topic: string, message: Message): void {
    const compress = this.compresses(message)
    for (const server of this.#servers) server.publish(topic, message.data, compress)
  }

  /** Answers an upgrade: with the 101 and undefined, or with a refusal. */
  upgrade(request: Request, server: BunServer): Response | undefined | Promise<Response | undefined> {
    this.#collector.count()
    const problem = problemOfProtocols(request.headers.get('sec-websocket-protocol'))
    if (problem !== null) return refusal(400, problem)
    try {
      const decided = this.#options.admit(new FetchHandshake(request, server))
      if (!(decided instanceof Promise)) return this.#answer(decided, request, server)
      return decided
        .then((admission) => this.#answer(admission, request, server))
        .catch((error: unknown) => this.#failed(error))
    } catch (error) {
      return this.#failed(error)
    }
  }

  #answer(admission: Admission, request: Request, server: BunServer): Response | undefined {
    if (!admission.accept) return refusal(admission.status, admission.body, admission.headers)
    if (!this.#servers.has(server)) this.#meet(server)
    const data = new BunConnection(admission.owner, this)
    // Without the field Bun chooses the first that was offered; an empty one is not sent.
    const headers = { 'Sec-WebSocket-Protocol': admission.protocol ?? '' }
    let upgraded = false
    try {
      upgraded = server.upgrade(request, { data: data as never, headers })
    } finally {
      if (!upgraded) admission.owner.closed(1006, '')
    }
    return upgraded ? undefined : refusal(400, 'expected a WebSocket handshake')
  }

  #meet(server: BunServer): void {
    for (const known of this.#servers) if (known.pendingWebSockets === 0) this.#servers.delete(known)
    this.#servers.add(server)
  }

  /** Without it Bun would answer, while it is not told that this is production, with a page that shows our source. */
  #failed(error: unknown): Response {
    this.#options.failed(error)
    return refusal(500, 'internal error')
  }
}

function refusal(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, { status, headers: { ...headers, Connection: 'close' } })
}
