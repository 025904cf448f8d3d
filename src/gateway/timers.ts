import { type Timer, TimerWheel } from '../core/timer-wheel.ts'
import { type Environment, machine } from './environment.ts'

/**
 * Drives the one timer wheel of a gateway with one runtime timer, which is set only while some deadline is
 * pending, so an idle gateway sleeps.
 */
export class Timers {
  readonly environment: Environment
  readonly #wheel: TimerWheel
  #alarm: unknown = null
  #alarmAt = Number.POSITIVE_INFINITY

  constructor(environment: Environment = machine) {
    this.environment = environment
    this.#wheel = new TimerWheel({ resolution: 50, now: environment.now() })
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.environment.now()
  }

  /** Fires `timer` once, `milliseconds` from now; replaces what it was waiting for. */
  schedule<T>(timer: Timer<T>, milliseconds: number): void {
    const at = this.environment.now() + milliseconds
    this.#wheel.schedule(timer, at)
    if (at < this.#alarmAt) this.#setAlarm(at)
  }

  cancel<T>(timer: Timer<T>): void {
    this.#wheel.cancel(timer)
  }

  /** Forgets every deadline. */
  stop(): void {
    if (this.#alarm !== null) this.environment.clearAlarm(this.#alarm)
    this.#alarm = null
  }

  #setAlarm(at: number): void {
    if (this.#alarm !== null) this.environment.clearAlarm(this.#alarm)
    this.#alarmAt = at
    const delay = Math.min(Math.max(1, Math.ceil(at - this.environment.now())), 2 ** 31 - 1)
    this.#alarm = this.environment.setAlarm(() => this.#ring(), delay)
  }

  #ring(): void {
    this.#alarm = null
    this.#alarmAt = Number.POSITIVE_INFINITY
    try {
      this.#wheel.advance(this.environment.now())
    } finally {
      // Also after one that threw: the others must not wait for somebody to schedule again.
      const next = this.#wheel.nextAt()
      if (next !== undefined && next < this.#alarmAt) this.#setAlarm(next)
    }
  }
}
