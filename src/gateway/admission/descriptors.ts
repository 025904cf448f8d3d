import { Timer } from '../../core/timer-wheel.ts'
import type { ConnectionReuse } from '../connection-reuse.ts'
import type { GatewayEmitter } from '../events.ts'
import type { Log } from '../log.ts'
import type { Timers } from '../timers.ts'
import { descriptorLimit, openDescriptors } from './descriptor-limit.ts'
import type { DescriptorLevel } from './levels.ts'

/** What the budget needs of its gateway. */
interface DescriptorsHost {
  readonly timers: Timers
  readonly log: Log
  readonly events: GatewayEmitter
  readonly reuse: Pick<ConnectionReuse, 'shed'>
  /** Live ones; a tunnel has two descriptors, the others have one. */
  readonly clients: { readonly size: number }
  readonly tunnels: { readonly size: number }
  readonly backendConnections: { readonly size: number }
  /** Connects that were given up and have a descriptor all the same, for probes too. */
  givenUpConnects(): number
  /** As the present configuration says. */
  limits(): { readonly clientConnections?: number | undefined }
}

/** From this part of the limit on it is `low`; below the other it is `ok` again. */
const lowFrom = 0.8
const okBelow = 0.7

/** Descriptors that are never planned with: name lookups, probes, files of the runtime, and polite refusals. */
const reserveShare = 0.05
const leastReserve = 16
const mostReserve = 256

/** Where it cannot be asked how many descriptors the rest of the process has. */
const presumedOthers = 32

/** Least milliseconds between two looks at what the rest of the process has. */
const measureInterval = 1000

/** Least milliseconds between two lines about refused clients. */
const reportInterval = 10_000

/**
 * The descriptors of the process, as far as they are the gateway's: how many clients it may have, whether there is
 * one left to connect to a backend, and what is told when they run out. A process without descriptors cannot even
 * refuse anybody (on Bun it spins), so a reserve is never touched.
 */
export class Descriptors {
  /** Connects under way. */
  connecting = 0
  /** Refused clients that still have a socket. */
  refusing = 0
  level: DescriptorLevel = 'ok'
  readonly #host: DescriptorsHost
  readonly #timer = new Timer<Descriptors>(this, assess)
  #limit = Number.POSITIVE_INFINITY
  #reserve = mostReserve
  /** Descriptors of the rest of the process when the gateway started, and now. */
  #othersAtStart = 0
  #others = 0
  #measuredAt = Number.NEGATIVE_INFINITY
  #refused = 0
  #reportedAt = Number.NEGATIVE_INFINITY

  constructor(host: DescriptorsHost) {
    this.#host = host
  }

  /** Asks the system. Call it when the listeners are open. */
  start(): void {
    this.#limit = descriptorLimit()
    const share = Math.floor(this.#limit * reserveShare)
    this.#reserve = Math.min(mostReserve, Math.max(leastReserve, share))
    const open = openDescriptors()
    // Some clients may have come already.
    this.#othersAtStart = open === null ? presumedOthers : Math.max(0, open - this.#used)
    this.#others = this.#othersAtStart
    const wanted = this.#host.limits().clientConnections
    if (wanted === undefined || wanted <= this.clientLimit) return
    const text = `limits.clientConnections is ${wanted}, but the process's ${this.#limit} file descriptors allow for ${this.clientLimit}`
    this.#host.log.warn({ event: 'descriptors.few', wanted, limit: this.clientLimit }, text)
  }

  stop(): void {
    this.#host.timers.cancel(this.#timer)
  }

  /** Client connections, idle ones and those of tunnels included. */
  get clients(): number {
    return this.#host.clients.size + this.#host.tunnels.size
  }

  /** Most client connections there may be: each may need one more descriptor, for its backend. */
  get clientLimit(): number {
    const wanted = this.#host.limits().clientConnections
    const allowed = Math.max(1, Math.floor(this.#capacity / 2))
    return wanted === undefined ? allowed : Math.min(wanted, allowed)
  }

  /** Refused clients that may keep their socket for a moment, so that they can read why. */
  get mostRefusing(): number {
    return this.#reserve / 2
  }

  /** Whether there is a descriptor for one more connection, if need be that of an idle backend connection. */
  mayConnect(): boolean {
    if (this.#used < this.#capacity || this.#host.reuse.shed()) return true
    this.#tell('exhausted')
    return false
  }

  /** A client was taken in. */
  accepted(): void {
    const { clients } = this
    if (clients * 2 >= this.clientLimit) this.#measure()
    if (this.level === 'ok' && clients >= this.clientLimit * lowFrom) this.#tell('low')
  }

  /** A client was refused. */
  refused(): void {
    this.#refused++
    this.#measure()
    this.#tell('exhausted')
    const { timers, log } = this.#host
    const now = timers.now()
    if (now - this.#reportedAt < reportInterval) return
    this.#reportedAt = now
    const { clients, clientLimit: limit } = this
    const refused = this.#refused
    this.#refused = 0
    log.error(
      { event: 'clients.refused', code: 'GATEWAY_FULL', refused, clients, limit },
      `refusing clients: there are ${clients} connections and may be ${limit}`,
    )
  }

  /** Looks whether it is better by now. */
  assess(): void {
    const part = this.clients / this.clientLimit
    if (part < okBelow) this.#tell('ok')
    else if (part < 1 && this.level === 'exhausted') this.#tell('low')
    if (this.level !== 'ok') this.#host.timers.schedule(this.#timer, measureInterval)
  }

  /** Sockets the gateway may have. */
  get #capacity(): number {
    return Math.max(2, this.#limit - this.#others - this.#reserve)
  }

  get #used(): number {
    const { clients, tunnels, backendConnections } = this.#host
    const connects = this.connecting + this.#host.givenUpConnects()
    return clients.size + 2 * tunnels.size + backendConnections.size + connects + this.refusing
  }

  /** The gateway may live in a program that opens descriptors of its own. */
  #measure(): void {
    const now = this.#host.timers.now()
    if (this.#limit === Number.POSITIVE_INFINITY || now - this.#measuredAt < measureInterval) return
    this.#measuredAt = now
    const open = openDescriptors()
    if (open !== null) this.#others = Math.max(this.#othersAtStart, open - this.#used)
  }

  #tell(level: DescriptorLevel): void {
    if (level === this.level) return
    const worse = level === 'exhausted' || this.level === 'ok'
    this.level = level
    const { timers, log, events } = this.#host
    const change = { level, clients: this.clients, limit: this.clientLimit }
    const line = { event: 'descriptors.level', ...change }
    const text = `${change.clients} client connections of ${change.limit} that file descriptors and limits allow`
    if (level === 'exhausted') log.error(line, `none is left: ${text}`)
    else if (worse) log.warn(line, text)
    else log.info(line, text)
    if (events.listens('descriptors.level')) events.emit('descriptors.level', change)
    if (level !== 'ok' && !this.#timer.scheduled) timers.schedule(this.#timer, measureInterval)
  }
}

function assess(descriptors: Descriptors): void {
  descriptors.assess()
}
