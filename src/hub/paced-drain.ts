import { DrainPace } from '../core/drain-pace.ts'
import { IdleOrder } from '../core/idle-order.ts'
import { Timer } from '../core/timer-wheel.ts'
import type { CloseCode } from '../protocol/close-codes.ts'
import type { LiveConnection } from './live-connection.ts'
import type { Timers } from './timers.ts'

/** Steps that a window is made of, each a look at all connections. */
const steps = 100
const shortestStep = 50
const longestStep = 1000

/** The end of a window is kept free for the answers to the last goodbyes: this part of it at most. */
const reserved = 0.2

export interface PacedDrainOptions {
  readonly timers: Timers
  /** Those that are open. */
  readonly connections: () => Iterable<LiveConnection>
  /** A number that changes with each message in and out. */
  readonly activity: (connection: LiveConnection) => number
  readonly code: CloseCode
  /** Milliseconds of the window. */
  readonly over: number
  /** Milliseconds a peer gets to answer a Close. */
  readonly patience: number
}

/** Closes connections one by one, evenly over a window, the longest idle first, so that they do not return all at once. */
export class PacedDrain {
  readonly #options: PacedDrainOptions
  readonly #pace: DrainPace
  readonly #order: IdleOrder<LiveConnection>
  readonly #timer = new Timer<PacedDrain>(this, (drain) => drain.#step())
  readonly #interval: number

  constructor(options: PacedDrainOptions) {
    const { timers, over, patience } = options
    const window = over - Math.min(over * reserved, patience)
    this.#options = options
    this.#order = new IdleOrder(options.activity)
    this.#pace = new DrainPace(timers.now(), window)
    this.#interval = Math.min(Math.max(window / steps, shortestStep), longestStep)
    // Who is idle shows at the second look.
    this.#order.sweep(options.connections())
    timers.schedule(this.#timer, Math.min(this.#interval, window))
  }

  stop(): void {
    this.#options.timers.cancel(this.#timer)
  }

  #step(): void {
    const { timers, code, connections } = this.#options
    this.#order.sweep(connections())
    const due = this.#pace.due(timers.now(), this.#order.size)
    for (const connection of this.#order.first(due)) connection.shut(code)
    timers.schedule(this.#timer, this.#interval)
  }
}
