import { Timer } from '../core/timer-wheel.ts'
import { randomId } from './connection-ids.ts'
import type { Counters } from './counters.ts'
import type { RefusedHandshake } from './events.ts'
import type { Identity } from './live-connection.ts'
import type { HubLog } from './log.ts'
import type { Authenticate, HubConfig, Refusal, Welcome } from './options.ts'
import { isOriginAllowed } from './origins.ts'
import { chooseProtocol } from './subprotocols.ts'
import { isThenable } from './thenable.ts'
import type { Timers } from './timers.ts'
import type { Admission, Handshake, HandshakeRequest, TransportOwner } from './transport.ts'
import { isRefusal, problemOf } from './verdict.ts'

/** Seconds after which somebody for whom there was no room may try again; each is told another number. */
const retryFrom = 1
const retryTo = 10

/** What is decided about a client that has left meanwhile: nothing. */
const left = Symbol('left')

/** What a doorman needs of its hub. */
export interface DoormanHost {
  readonly node: string
  readonly config: HubConfig
  readonly counters: Counters
  readonly timers: Timers
  readonly log: HubLog
  /** Whether nobody is let in any more. */
  readonly stopping: boolean
  welcome(identity: Identity): TransportOwner
  refused(refusal: RefusedHandshake): void
}

/** Decides about each handshake, before the 101. */
export class Doorman {
  readonly #host: DoormanHost
  /** Connections, and handshakes that may become some. */
  #taken = 0
  /** How to decide about those that are being decided about. */
  readonly #pending = new Set<(verdict: unknown) => void>()

  constructor(host: DoormanHost) {
    this.#host = host
  }

  /** Handshakes that are being decided. */
  get deciding(): number {
    return this.#pending.size
  }

  /** Nobody who waits outside is let in any more. */
  turnAway(): void {
    for (const decide of this.#pending) decide(tryLater('the server is stopping'))
  }

  /** A connection that was let in is gone. */
  left(): void {
    this.#taken--
  }

  admit(request: Handshake): Admission | Promise<Admission> {
    const { config, stopping } = this.#host
    if (stopping) return this.#refuse(request, tryLater('the server is stopping'))
    if (!config.dangerouslyAcceptAnyOrigin && !isOriginAllowed(request, config.origins)) {
      return this.#refuse(request, { status: 403, reason: 'this origin may not connect' })
    }
    if (this.#taken >= (config.maxConnections ?? Number.POSITIVE_INFINITY)) {
      return this.#refuse(request, tryLater('too many connections'))
    }
    const { authenticate } = config
    if (authenticate === undefined) return this.#conclude(request, { data: undefined })
    const verdict = this.#ask(authenticate, request)
    if (!(verdict instanceof Promise)) return this.#conclude(request, verdict)
    // Holds a place meanwhile.
    this.#taken++
    return verdict.then((value) => {
      this.#taken--
      return value === left ? { accept: false, status: 499, body: '' } : this.#conclude(request, value)
    })
  }

  /** What `authenticate` says, in time. */
  #ask(authenticate: Authenticate<unknown>, request: HandshakeRequest): unknown {
    let verdict: unknown
    try {
      verdict = authenticate(request)
    } catch (error) {
      return this.#broken(error)
    }
    if (!isThenable(verdict)) return verdict
    return new Promise((resolve) => {
      const { timers, config, log } = this.#host
      const { signal } = request
      const leave = () => decide(left)
      const decide = (value: unknown): void => {
        if (!this.#pending.delete(decide)) return
        timers.cancel(deadline)
        signal.removeEventListener('abort', leave)
        resolve(value)
      }
      const deadline = new Timer(decide, tooLate)
      this.#pending.add(decide)
      timers.schedule(deadline, config.authenticateTimeout)
      signal.addEventListener('abort', leave)
      Promise.resolve(verdict).then(decide, (error: unknown) => {
        if (this.#pending.has(decide)) decide(this.#broken(error))
        else if (!signal.aborted)
          log.error({ event: 'authenticate.failed', error }, 'authenticate failed after its time was over')
      })
    })
  }

  #broken(error: unknown): Refusal {
    this.#host.log.error({ event: 'authenticate.failed', error }, 'authenticate failed: the client got 500')
    return { status: 500, reason: 'internal error' }
  }

  #conclude(request: HandshakeRequest, verdict: unknown): Admission {
    const host = this.#host
    const checked = this.#check(verdict)
    if (isRefusal(checked)) return this.#refuse(request, checked)
    // It was asked before the wait, too.
    if (host.stopping) return this.#refuse(request, tryLater('the server is stopping'))
    const protocol = this.#chooseProtocol(request)
    if (typeof protocol === 'object' && protocol !== null) return this.#refuse(request, protocol)
    const { user = null, data } = checked
    const { remoteAddress } = request
    this.#taken++
    const owner = host.welcome({ id: `${host.node}.${randomId()}`, user, data, remoteAddress, protocol })
    return { accept: true, protocol, owner }
  }

  /** What it says, or the refusal that a mistake is. */
  #check(verdict: unknown): Refusal | Welcome<unknown> {
    try {
      const problem = problemOf(verdict)
      return problem === null ? (verdict as Refusal | Welcome<unknown>) : this.#broken(new TypeError(problem))
    } catch (error) {
      // Its fields may be code of the program.
      return this.#broken(error)
    }
  }

  #chooseProtocol(request: HandshakeRequest): string | null | Refusal {
    const { protocols } = this.#host.config
    const offered = request.protocols
    if (typeof protocols !== 'function') return chooseProtocol(protocols, offered)
    if (offered.length === 0) return null
    try {
      const chosen = protocols(offered, request) ?? null
      if (chosen === null || offered.includes(chosen)) return chosen
      return this.#broken(
        new RangeError(`expected one of the offered subprotocols or null, found ${String(chosen)}`),
      )
    } catch (error) {
      return this.#broken(error)
    }
  }

  #refuse(request: HandshakeRequest, { status, reason, headers = {} }: Refusal): Admission {
    const host = this.#host
    host.counters.refused++
    host.refused({ status, reason, remoteAddress: request.remoteAddress })
    return { accept: false, status, body: reason, headers }
  }
}

function tooLate(decide: (value: unknown) => void): void {
  decide(tryLater('signing in took too long'))
}

function tryLater(reason: string): Refusal {
  const seconds = retryFrom + Math.floor(Math.random() * (retryTo - retryFrom + 1))
  return { status: 503, reason, headers: { 'Retry-After': String(seconds) } }
}
