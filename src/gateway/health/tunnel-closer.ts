import { Timer } from '../../core/timer-wheel.ts'
import { closeCodes } from '../../protocol/close-codes.ts'
import type { Timers } from '../timers.ts'
import type { Tunnel } from '../tunnel.ts'

/** Milliseconds between two lots. */
const beat = 100

/**
 * Closes the tunnels of one dead backend with Close 1012, evenly over a time: their clients come back, and the
 * other backends shall not get them all in one moment.
 */
export class TunnelCloser {
  readonly #timers: Timers
  /** The last is closed first. */
  readonly #left: Tunnel[]
  readonly #live: ReadonlySet<Tunnel>
  readonly #lot: number
  readonly #grace: number
  readonly #timer = new Timer<TunnelCloser>(this, (closer) => closer.#closeLot())

  /**
   * @param live the tunnels there are; who left meanwhile is passed over
   * @param over milliseconds until the last one is told
   * @param grace milliseconds each one gets for its closing handshake
   */
  constructor(timers: Timers, tunnels: Tunnel[], live: ReadonlySet<Tunnel>, over: number, grace: number) {
    this.#timers = timers
    this.#left = tunnels
    this.#live = live
    this.#grace = grace
    this.#lot = Math.ceil(tunnels.length / Math.max(1, Math.floor(over / beat)))
    this.#closeLot()
  }

  /** The rest lives on. */
  stop(): void {
    this.#timers.cancel(this.#timer)
    this.#left.length = 0
  }

  #closeLot(): void {
    for (let closed = 0; closed < this.#lot; ) {
      const tunnel = this.#left.pop()
      if (tunnel === undefined) return
      if (!this.#live.has(tunnel)) continue
      tunnel.close(closeCodes.unhealthy, this.#grace)
      closed++
    }
    if (this.#left.length > 0) this.#timers.schedule(this.#timer, beat)
  }
}
