import type { Socket, SocketError, SocketHandler } from '../net/socket.ts'
import type { Backend } from './backend.ts'
import type { GatewayContext } from './context.ts'
import type { Failure } from './failure.ts'
import type { Selection } from './pool.ts'

/** Who wants a connection to a backend of a pool. Exactly one of the two is called, unless cancelled. */
export interface Dialler {
  /** The socket is open and still has the dial's handler: replace it. */
  dialled(socket: Socket, backend: Backend): void
  dialFailed(failure: Failure): void
  /** Another backend's turn has come: true if the dialler has a connection to it already, which ends the dial. */
  reuses(backend: Backend): boolean
}

/**
 * Connects to a pool: the given backend first, then others as the selection gives them, until one accepts or
 * there is no other. Nothing has been sent before a backend accepted, so trying another is always safe.
 */
export class Dial {
  readonly #context: GatewayContext
  readonly #connectTimeout: number
  readonly #selection: Selection
  readonly #dialler: Dialler
  #backend: Backend
  #nextTarget = 0
  /** Whether the connect counts in the backend's load. */
  #counted = false
  /** While it connects. */
  #socket: Socket | null = null
  /** Milliseconds that the connect under way may take. */
  #timeout = 0
  #lastFailure: Failure

  /** @param connectTimeout milliseconds a backend has to accept */
  constructor(
    context: GatewayContext,
    connectTimeout: number,
    selection: Selection,
    first: Backend,
    dialler: Dialler,
  ) {
    this.#context = context
    this.#connectTimeout = connectTimeout
    this.#selection = selection
    this.#backend = first
    this.#dialler = dialler
    this.#lastFailure = {
      code: 'BACKEND_REFUSED',
      message: `the backend of pool ${selection.pool.name} could not be reached in time`,
    }
  }

  start(): void {
    this.#count()
    this.#connect(null)
  }

  /** Gives up silently. */
  cancel(): void {
    this.#uncount()
    const socket = this.#socket
    if (socket === null) return
    this.#disconnect()
    socket.context = null
    socket.abort()
  }

  opened(socket: Socket): void {
    this.#disconnect()
    this.#dialler.dialled(socket, this.#backend)
    this.#uncount()
  }

  failed(error: SocketError | null): void {
    this.#disconnect()
    this.#connect(error)
  }

  /** Tries the next address of this backend, else the next backend, else fails. */
  #connect(error: SocketError | null): void {
    const { timers, sockets } = this.#context
    const now = timers.now()
    let target = this.#backend.targets(now)[this.#nextTarget++]
    for (let last = error; target === undefined; last = null) {
      if (!this.#nextBackend(last)) {
        this.#dialler.dialFailed(this.#lastFailure)
        return
      }
      if (this.#dialler.reuses(this.#backend)) {
        this.#uncount()
        return
      }
      target = this.#backend.targets(now)[this.#nextTarget++]
    }
    const left = this.#selection.deadline - now
    if (left > 0 && !this.#context.descriptors.mayConnect()) {
      this.#uncount()
      this.#dialler.dialFailed(noDescriptors)
      return
    }
    if (left <= 0) {
      this.#uncount()
      this.#dialler.dialFailed(this.#lastFailure)
      return
    }
    this.#timeout = Math.min(this.#connectTimeout, left)
    this.#context.descriptors.connecting++
    this.#socket = sockets.connect(target, this.#timeout, dialHandler, this)
  }

  #disconnect(): void {
    this.#socket = null
    this.#context.descriptors.connecting--
  }

  /** Gives this backend up and turns to another; false when none is left. */
  #nextBackend(error: SocketError | null): boolean {
    const backend = this.#backend
    this.#uncount()
    backend.connectFailures++
    backend.failed(this.#connectTimeout, this.#context.timers.now())
    const timedOut = error?.code === 'timeout'
    // Neither what this machine lacks is the backend's fault, nor that others took the time before it.
    const hurried = timedOut && this.#timeout < this.#connectTimeout && this.#selection.attempts > 1
    if (error?.code !== 'exhausted' && !hurried) this.#context.health.unreachable(backend, reasonOf(error))
    this.#lastFailure = {
      code: timedOut ? 'BACKEND_CONNECT_TIMEOUT' : 'BACKEND_REFUSED',
      message: `the last backend of pool ${this.#selection.pool.name} that was tried did not accept the connection`,
    }
    this.#logFailure(backend, error)
    const next = this.#selection.another(this.#context.timers.now())
    if (next === null) return false
    this.#backend = next
    this.#nextTarget = 0
    this.#count()
    return true
  }

  #count(): void {
    this.#counted = true
    this.#backend.take()
  }

  #uncount(): void {
    if (!this.#counted) return
    this.#counted = false
    this.#backend.release()
  }

  /** One line a second for each backend: while one is down, every connection may come past it. */
  #logFailure(backend: Backend, error: SocketError | null): void {
    if (!backend.mayReport(this.#context.timers.now())) return
    const reason = reasonOf(error)
    this.#context.log.warn(
      {
        event: 'backend.connect_failed',
        code: this.#lastFailure.code,
        backend: backend.address,
        failures: backend.connectFailures,
        reason,
      },
      `backend ${backend.address} could not be reached: ${reason}`,
    )
  }
}

const noDescriptors: Failure = {
  code: 'DESCRIPTORS_LOW',
  message: 'the gateway has no descriptor left for another connection',
}

function reasonOf(error: SocketError | null): string {
  return error?.message ?? 'the name does not resolve to an address'
}

const dialHandler: SocketHandler = {
  onOpen(socket) {
    const dial = socket.context as Dial | null
    if (dial === null) socket.abort()
    else dial.opened(socket)
  },
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose(socket, error) {
    const dial = socket.context as Dial | null
    dial?.failed(error)
  },
}
