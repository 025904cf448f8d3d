import { type Timer, TimerWheel } from './timer-wheel.ts'

/** Time, as a runtime keeps it. `Alarm` is what its timers are known by. */
export interface Clock<Alarm> {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls `ring` once, `milliseconds` from now. */
  set(ring: () => void, milliseconds: number): Alarm
  clear(alarm: Alarm): void
}

/** A timer of the runtime that comes so much too late says that the process stood still (SIGSTOP, a paused machine). */
const stoodStill = 1_000

/** For so long after that, what came meanwhile is read before anybody is blamed for not having said it. */
const readFirst = 250

/**
 * Drives one timer wheel with one timer of the runtime, which is set only while some deadline is pending, so that
 * who waits for nothing sleeps. A process that stood still reads what it missed before any deadline counts.
 */
export class WheelClock<Alarm> {
  readonly #clock: Clock<Alarm>
  readonly #wheel: TimerWheel
  #alarm: Alarm | null = null
  #alarmAt = Number.POSITIVE_INFINITY
  /** Before this nothing fires. */
  #readsUntil = Number.NEGATIVE_INFINITY

  constructor(clock: Clock<Alarm>) {
    this.#clock = clock
    this.#wheel = new TimerWheel({ resolution: 50, now: clock.now() })
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#clock.now()
  }

  /** Fires `timer` once, `milliseconds` from now; replaces what it was waiting for. */
  schedule<T>(timer: Timer<T>, milliseconds: number): void {
    const at = this.#clock.now() + milliseconds
    this.#wheel.schedule(timer, at)
    if (at < this.#alarmAt) this.#setAlarm(at)
  }

  cancel<T>(timer: Timer<T>): void {
    this.#wheel.cancel(timer)
  }

  /** Gives the runtime's timer back when nothing waits, instead of letting it ring once for nothing. */
  rest(): void {
    if (this.#wheel.size === 0) this.stop()
  }

  /** Rings no more, unless something is scheduled again. */
  stop(): void {
    if (this.#alarm !== null) this.#clock.clear(this.#alarm)
    this.#alarm = null
    this.#alarmAt = Number.POSITIVE_INFINITY
  }

  #setAlarm(at: number): void {
    if (this.#alarm !== null) this.#clock.clear(this.#alarm)
    this.#alarmAt = at
    const delay = Math.min(Math.max(1, Math.ceil(at - this.#clock.now())), 2 ** 31 - 1)
    this.#alarm = this.#clock.set(() => this.#ring(), delay)
  }

  #ring(): void {
    const now = this.#clock.now()
    if (now - this.#alarmAt > stoodStill) this.#readsUntil = now + readFirst
    this.#alarm = null
    this.#alarmAt = Number.POSITIVE_INFINITY
    if (now < this.#readsUntil) {
      this.#setAlarm(this.#readsUntil)
      return
    }
    try {
      this.#wheel.advance(now)
    } finally {
      // Also after one that threw: the others must not wait for somebody to schedule again.
      const next = this.#wheel.nextAt()
      if (next !== undefined && next < this.#alarmAt) this.#setAlarm(next)
    }
  }
}
