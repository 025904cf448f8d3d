import { Timer } from '../../core/timer-wheel.ts'
import type { Socket, SocketHandler } from '../../net/socket.ts'
import type { Timers } from '../timers.ts'

/** How long a refused client has to read its answer and leave. */
const patience = 1000

/** Where they are counted, since each has a descriptor. */
interface RefusedCount {
  refusing: number
}

/**
 * Clients that were answered without being asked what they want. A socket that is closed while it has unread bytes
 * is reset, which can destroy the answer on its way (RFC 9112 §9.6), so each stays for a moment while what it sends
 * is thrown away; the oldest has to go when there are too many.
 */
export class RefusedClients {
  readonly #live = new Set<RefusedClient>()
  readonly #timers: Timers
  readonly #descriptors: RefusedCount

  constructor(timers: Timers, descriptors: RefusedCount) {
    this.#timers = timers
    this.#descriptors = descriptors
  }

  /** @param most who may stay at a time */
  add(socket: Socket, answer: Uint8Array, most: number): void {
    for (const oldest of this.#live) {
      if (this.#live.size < most) break
      oldest.close()
    }
    new RefusedClient(this, this.#timers, socket)
    socket.write(answer)
    socket.end()
  }

  abort(): void {
    for (const client of this.#live) client.close()
  }

  came(client: RefusedClient): void {
    this.#live.add(client)
    this.#descriptors.refusing = this.#live.size
  }

  gone(client: RefusedClient): void {
    this.#live.delete(client)
    this.#descriptors.refusing = this.#live.size
  }
}

class RefusedClient {
  readonly #all: RefusedClients
  readonly #timers: Timers
  readonly #socket: Socket
  readonly #timer = new Timer<RefusedClient>(this, close)

  constructor(all: RefusedClients, timers: Timers, socket: Socket) {
    this.#all = all
    this.#timers = timers
    this.#socket = socket
    socket.context = this
    socket.handler = refusedHandler
    all.came(this)
    timers.schedule(this.#timer, patience)
  }

  /** Gives its descriptor back. */
  close(): void {
    this.closed()
    this.#socket.close()
  }

  closed(): void {
    this.#all.gone(this)
    this.#timers.cancel(this.#timer)
  }
}

function close(client: RefusedClient): void {
  client.close()
}

const refusedHandler: SocketHandler = {
  borrowsData: true,
  onOpen() {},
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose(socket) {
    ;(socket.context as RefusedClient).closed()
  },
}
