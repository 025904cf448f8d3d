import { DrainPace } from '../core/drain-pace.ts'
import { IdleOrder } from '../core/idle-order.ts'
import { Timer } from '../core/timer-wheel.ts'
import type { CloseCode } from '../protocol/close-codes.ts'
import type { Timers } from './timers.ts'
import type { Tunnel } from './tunnel.ts'

/** Steps that a window is made of, each a look at all tunnels. */
const steps = 100

const shortestStep = 50
const longestStep = 1000

/** The longest step where a few shall not take the whole window. */
const hurriedStep = 100

/** The end of a window is kept free for the answers to the last goodbyes: this part of it, and not more than the patience. */
const reserved = 0.2

/** What a paced close needs of its gateway. */
export interface PacedCloseHost {
  readonly timers: Timers
  readonly tunnels: Iterable<Tunnel>
}

export interface PacedCloseOptions {
  readonly code: CloseCode
  /** Milliseconds of the window. */
  readonly over: number
  /** Milliseconds a tunnel gets at least to answer a Close. */
  readonly patience: number
  /** Tunnels a second at any rate. @default 0 */
  readonly least?: number
  /** Which tunnels. */
  readonly concerns: (tunnel: Tunnel) => boolean
  /** After each step, with the number of those that were not told goodbye yet; true ends it. */
  readonly onStep?: (left: number) => boolean
}

/** Says goodbye to tunnels one by one, evenly over a window, the longest idle first, until it is stopped. */
export class PacedClose {
  readonly #host: PacedCloseHost
  readonly #options: PacedCloseOptions
  readonly #pace: DrainPace
  readonly #order = new IdleOrder<Tunnel>((tunnel) => tunnel.activity)
  readonly #timer = new Timer<PacedClose>(this, (close) => close.#step())
  readonly #interval: number
  readonly #end: number

  constructor(host: PacedCloseHost, options: PacedCloseOptions) {
    const { over, patience, least = 0 } = options
    const now = host.timers.now()
    const window = over - Math.min(over * reserved, patience)
    this.#host = host
    this.#options = options
    this.#end = now + over
    this.#pace = new DrainPace(now, window, least)
    this.#interval = Math.min(Math.max(window / steps, shortestStep), least > 0 ? hurriedStep : longestStep)
    // Who is idle shows at the second look.
    this.#look()
    host.timers.schedule(this.#timer, Math.min(this.#interval, window))
  }

  stop(): void {
    this.#host.timers.cancel(this.#timer)
  }

  #step(): void {
    const { code, patience, onStep } = this.#options
    const now = this.#host.timers.now()
    this.#look()
    const due = this.#pace.due(now, this.#order.size)
    const rest = Math.max(this.#end - now, patience)
    for (const tunnel of this.#order.first(due)) tunnel.close(code, rest)
    if (onStep?.(this.#order.size - due) !== true) this.#host.timers.schedule(this.#timer, this.#interval)
  }

  #look(): void {
    this.#order.sweep(this.#staying())
  }

  *#staying(): Iterable<Tunnel> {
    const { concerns } = this.#options
    for (const tunnel of this.#host.tunnels) if (!tunnel.leaving && concerns(tunnel)) yield tunnel
  }
}
