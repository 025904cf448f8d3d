import { Timer } from '../core/timer-wheel.ts'
import type { Timers } from './timers.ts'

/** Connections that came or went before it is worth collecting. */
const worthwhile = 1000

/** A moment without a connection coming or going is quiet after so many milliseconds. */
const quiet = 100

/**
 * With more live connections than this a collection would hold up the traffic for too long: it takes about 20 ms
 * with 4,000 tunnels and 33 ms with 9,000.
 */
const mostLive = 10_000

/**
 * Gives back what a burst of connections left behind, once it is over. Bun's collector goes by allocation, so an
 * idle gateway would keep the garbage of ten thousand handshakes for as long as it stays idle: a third of the
 * memory of an idle tunnel (`npm run bench -- --work memory`), and more after each burst.
 */
export class IdleCollector {
  readonly #timers: Timers
  readonly #collect: (() => void) | undefined
  readonly #live: () => number
  readonly #timer = new Timer<IdleCollector>(this, (collector) => collector.#run())
  #count = 0

  /**
   * @param collect what collects, undefined where the runtime needs no help
   * @param live how many connections there are
   */
  constructor(timers: Timers, collect: (() => void) | undefined, live: () => number) {
    this.#timers = timers
    this.#collect = collect
    this.#live = live
  }

  /** A connection came or went. */
  count(): void {
    if (this.#collect === undefined || ++this.#count < worthwhile) return
    this.#timers.schedule(this.#timer, quiet)
  }

  #run(): void {
    if (this.#live() > mostLive) return
    this.#count = 0
    this.#collect?.()
  }
}
