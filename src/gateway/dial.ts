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

/** Milliseconds for one attempt, and for all of them together. */
interface DialTimeouts {
  readonly connect: number
  readonly connectTotal: number
}

/**
 * Connects to a pool: the given backend first, then others as the policy prefers, each at most once, until
 * one accepts, none is left, or `timeouts.connectTotal` is over. Nothing has been sent before a backend
 * accepted, so trying another is always safe.
 */
export class Dial {
  readonly #context: GatewayContext
  readonly #timeouts: DialTimeouts
  readonly #selection: Selection
  readonly #dialler: Dialler
  readonly #tried: Backend[]
  readonly #deadline: number
  #backend: Backend
  #nextTarget = 0
  /** Whether the connect counts in the backend's load. */
  #counted = false
  /** While it connects. */
  #socket: Socket | null = null
  #lastFailure: Failure

  constructor(
    context: GatewayContext,
    timeouts: DialTimeouts,
    selection: Selection,
    first: Backend,
    dialler: Dialler,
    tried: readonly Backend[] = [],
  ) {
    this.#context = context
    this.#timeouts = timeouts
    this.#selection = selection
    this.#backend = first
    this.#dialler = dialler
    this.#tried = [...tried]
    this.#deadline = context.timers.now() + timeouts.connectTotal
    this.#lastFailure = {
      code: 'BACKEND_REFUSED',
      message: `no backend of pool ${selection.pool.name} could be reached`,
    }
  }

  /** Backends that are not tried again: those given as such, and those it has turned to itself. */
  get tried(): readonly Backend[] {
    return this.#tried
  }

  start(): void {
    this.#tried.push(this.#backend)
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
    const left = this.#deadline - now
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
    const timeout = Math.min(this.#timeouts.connect, left)
    this.#context.descriptors.connecting++
    this.#socket = sockets.connect(target, timeout, dialHandler, this)
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
    backend.failed(this.#timeouts.connect, this.#context.timers.now())
    // What this machine lacks is not the backend's fault.
    if (error?.code !== 'exhausted') this.#context.health.failed(backend, reasonOf(error))
    const timedOut = error?.code === 'timeout'
    this.#lastFailure = {
      code: timedOut ? 'BACKEND_CONNECT_TIMEOUT' : 'BACKEND_REFUSED',
      message: `no backend of pool ${this.#selection.pool.name} accepted the connection`,
    }
    this.#logFailure(backend, error)
    const next = this.#selection.next(this.#tried)
    if (next === null) return false
    this.#backend = next
    this.#tried.push(next)
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
