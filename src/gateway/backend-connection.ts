import { Timer } from '../core/timer-wheel.ts'
import type { HeadLimits } from '../http1/head-limits.ts'
import { HeadReader } from '../http1/head-reader.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { Socket, SocketError, SocketHandler } from '../net/socket.ts'
import type { Backend } from './backend.ts'
import type { Timers } from './timers.ts'

/** Who has a backend connection at the moment: an exchange, an upgrade, or the store of idle connections. */
export interface BackendUser {
  /** The chunk is lent: what is to be kept must be copied (`SocketHandler.borrowsData`). */
  backendData(connection: BackendConnection, chunk: Uint8Array): void
  backendDrained(connection: BackendConnection): void
  /** The backend's FIN. */
  backendEnded(connection: BackendConnection): void
  /** The last call, also after our own `abort` unless the user was replaced before. */
  backendClosed(connection: BackendConnection, error: SocketError | null): void
  backendTimedOut(connection: BackendConnection): void
}

/** What a backend connection needs of its gateway. */
export interface BackendConnectionHost {
  readonly timers: Timers
  /** Live backend connections, busy, idle or leaving; a tunnel's are counted by the tunnel. */
  readonly backendConnections: Set<BackendConnection>
}

/** An HTTP connection to a backend, used by one exchange after another. */
export class BackendConnection {
  readonly socket: Socket
  readonly backend: Backend
  readonly reader: HeadReader<ResponseHead>
  user: BackendUser
  /** Whether an exchange was completed on it before, so that it may have died unnoticed meanwhile. */
  reused = false
  /** Milliseconds the backend said it keeps idle connections, or 0 when it did not say. */
  keepAliveHint = 0
  readonly #host: BackendConnectionHost
  readonly #timer: Timer<BackendConnection>

  /**
   * Takes over an open socket and adds itself to the live connections until it ends.
   * @param limits of the heads it reads; its user may change those of its reader
   */
  constructor(
    host: BackendConnectionHost,
    socket: Socket,
    backend: Backend,
    user: BackendUser,
    limits: HeadLimits,
  ) {
    this.socket = socket
    this.backend = backend
    this.user = user
    this.reader = new HeadReader(limits)
    this.#host = host
    this.#timer = new Timer<BackendConnection>(this, onTimeout)
    socket.context = this
    socket.handler = backendHandler
    host.backendConnections.add(this)
  }

  /** Calls `backendTimedOut` after so long, unless called again before. */
  setTimeout(milliseconds: number): void {
    this.#host.timers.schedule(this.#timer, milliseconds)
  }

  clearTimeout(): void {
    this.#host.timers.cancel(this.#timer)
  }

  /** Ends it now; nobody is told. */
  abort(): void {
    this.user = nobody
    this.clearTimeout()
    this.socket.abort()
  }

  /** Ends it in an orderly way after its last answer; nobody is told. */
  finish(): void {
    this.user = leaving
    this.socket.end()
    this.setTimeout(leaveTimeout)
  }

  /** Gives the socket away, to a tunnel. */
  release(): Socket {
    this.user = nobody
    this.clearTimeout()
    this.#host.backendConnections.delete(this)
    return this.socket
  }

  closed(error: SocketError | null): void {
    this.clearTimeout()
    this.#host.backendConnections.delete(this)
    this.user.backendClosed(this, error)
  }
}

function onTimeout(connection: BackendConnection): void {
  connection.user.backendTimedOut(connection)
}

const nobody: BackendUser = {
  backendData() {},
  backendDrained() {},
  backendEnded() {},
  backendClosed() {},
  backendTimedOut() {},
}

/** How long a backend gets to answer our FIN with its own. */
const leaveTimeout = 2000

const leaving: BackendUser = {
  ...nobody,
  backendTimedOut(connection) {
    connection.abort()
  },
}

const backendHandler: SocketHandler = {
  borrowsData: true,
  onOpen() {},
  onData(socket, chunk) {
    const connection = socket.context as BackendConnection
    connection.user.backendData(connection, chunk)
  },
  onDrain(socket) {
    const connection = socket.context as BackendConnection
    connection.user.backendDrained(connection)
  },
  onEnd(socket) {
    const connection = socket.context as BackendConnection
    connection.user.backendEnded(connection)
  },
  onClose(socket, error) {
    ;(socket.context as BackendConnection).closed(error)
  },
}
