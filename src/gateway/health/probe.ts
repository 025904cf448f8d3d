import { Timer } from '../../core/timer-wheel.ts'
import type { ConnectTarget, Socket, SocketError, SocketHandler, SocketPort } from '../../net/socket.ts'
import type { Timers } from '../timers.ts'

/** What a probe says and hears once it is connected. One object for one probe. */
export interface ProbeTalk {
  /** What to say first; null when being connected is all that is asked. */
  hello(): Uint8Array | null
  /**
   * Takes what the backend says; the chunk is only lent.
   * @returns what is wrong, null when the probe has passed, undefined while more is needed
   */
  heard(chunk: Uint8Array, socket: Socket): string | null | undefined
  /** The same when the backend says no more. */
  ended(): string | null
  /** What the backend said about itself in its answer; null while it has not answered, or cannot. */
  readonly announced: Announced | null
  /** What to say after the probe has passed; then the backend is waited for. Null: we end at once. */
  goodbye(): Uint8Array | null
}

export type Announced = 'active' | 'draining'

/** What a probe needs of its gateway. */
export interface ProbeHost {
  readonly timers: Timers
  readonly sockets: SocketPort
  /** Probes under way. */
  readonly probes: Set<Probe>
}

/** How a probe ended: null for well, what was wrong, or undefined when that is not known. */
export type ProbeResult = string | null | undefined

/** Most bytes a backend may say to one probe. */
const mostBytes = 1024 ** 2

/** How long a backend gets to end the connection in order after a probe that passed. */
const leaveTimeout = 500

/**
 * One probe: connects to the first address of a backend that accepts, talks, and is bounded in bytes and in
 * time as a whole, so a backend that speaks one byte at a time gains nothing by it.
 */
export class Probe {
  readonly #host: ProbeHost
  readonly #targets: readonly ConnectTarget[]
  readonly #talk: ProbeTalk
  readonly #timeout: number
  readonly #timer: Timer<Probe>
  readonly #done: (result: ProbeResult, announced: Announced | null) => void
  #socket: Socket | null = null
  #nextTarget = 0
  #startedAt = 0
  #open = false
  #judged = false
  #result: ProbeResult
  #bytes = 0

  /** @param done called once, when the connection is closed, not before `start` returned */
  constructor(
    host: ProbeHost,
    targets: readonly [ConnectTarget, ...ConnectTarget[]],
    talk: ProbeTalk,
    timeout: number,
    done: (result: ProbeResult, announced: Announced | null) => void,
  ) {
    this.#host = host
    this.#targets = targets
    this.#talk = talk
    this.#timeout = timeout
    this.#done = done
    this.#timer = new Timer<Probe>(this, (probe) => probe.timedOut())
  }

  start(): void {
    const { timers, probes } = this.#host
    this.#startedAt = timers.now()
    timers.schedule(this.#timer, this.#timeout)
    probes.add(this)
    this.#connect()
  }

  /** Ends it; its result is not known. */
  cancel(): void {
    if (!this.#judged) this.#judge(undefined)
    else this.#socket?.abort()
  }

  opened(socket: Socket): void {
    this.#open = true
    if (this.#judged) return
    const hello = this.#talk.hello()
    if (hello === null) this.#judge(null)
    else socket.write(hello)
  }

  heard(socket: Socket, chunk: Uint8Array): void {
    if (this.#judged) return
    this.#bytes += chunk.length
    const result = this.#talk.heard(chunk, socket)
    if (result !== undefined) this.#judge(result)
    else if (this.#bytes > mostBytes) this.#judge('it says more than a probe listens to')
  }

  ended(socket: Socket): void {
    if (!this.#judged) this.#judge(this.#talk.ended())
    socket.end()
  }

  closed(error: SocketError | null): void {
    if (!this.#judged && !this.#open && this.#nextTarget < this.#targets.length) {
      this.#connect()
      return
    }
    // What this machine lacks is not the backend's fault.
    if (!this.#judged && error?.code !== 'exhausted') {
      this.#result = error === null ? 'it closed the connection' : error.message
    }
    this.#judged = true
    this.#host.timers.cancel(this.#timer)
    this.#host.probes.delete(this)
    this.#done(this.#result, this.#talk.announced)
  }

  timedOut(): void {
    if (this.#judged) this.#socket?.abort()
    else this.#judge(`${this.#open ? 'no good answer' : 'no connection'} within ${this.#timeout} ms`)
  }

  #connect(): void {
    const { timers, sockets } = this.#host
    const target = this.#targets[this.#nextTarget++] as ConnectTarget
    const left = Math.max(1, this.#startedAt + this.#timeout - timers.now())
    this.#socket = sockets.connect(target, left, probeHandler, this)
  }

  #judge(result: ProbeResult): void {
    this.#judged = true
    this.#result = result
    const socket = this.#socket as Socket
    if (result !== null) {
      socket.abort()
      return
    }
    this.#host.timers.schedule(this.#timer, leaveTimeout)
    const goodbye = this.#talk.goodbye()
    if (goodbye === null) socket.end()
    else socket.write(goodbye)
  }
}

const probeHandler: SocketHandler = {
  borrowsData: true,
  onOpen(socket) {
    ;(socket.context as Probe).opened(socket)
  },
  onData(socket, chunk) {
    ;(socket.context as Probe).heard(socket, chunk)
  },
  onDrain() {},
  onEnd(socket) {
    ;(socket.context as Probe).ended(socket)
  },
  onClose(socket, error) {
    ;(socket.context as Probe).closed(error)
  },
}
