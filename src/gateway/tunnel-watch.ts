import { jitter } from '../core/jitter.ts'
import { Timer } from '../core/timer-wheel.ts'
import { type CloseCode, closeCodes } from '../protocol/close-codes.ts'
import type { Timers } from './timers.ts'
import type { TunnelRules } from './tunnel-rules.ts'

/** What is watched. */
export interface Watched {
  /** Changes with each message. */
  readonly activity: number
  /** Says goodbye on both legs; what is left after so many milliseconds is cut. */
  close(code: CloseCode, milliseconds: number): void
  /** Another interval of the heartbeat is over. */
  beat(): void
}

/** Idle time is looked at so many times within its limit, which is how exact it is; a message costs nothing. */
const looks = 4

/** The timers of a tunnel whose route has a heartbeat, an idle limit or a maximum age. Others have none. */
export class TunnelWatch {
  readonly #timers: Timers
  readonly #tunnel: Watched
  readonly #rules: TunnelRules
  readonly #beat = new Timer<TunnelWatch>(this, (watch) => watch.#onBeat())
  readonly #look = new Timer<TunnelWatch>(this, (watch) => watch.#onLook())
  readonly #age = new Timer<TunnelWatch>(this, (watch) => watch.#onAge())
  #seen = 0
  #quietLooks = 0

  constructor(timers: Timers, tunnel: Watched, rules: TunnelRules) {
    this.#timers = timers
    this.#tunnel = tunnel
    this.#rules = rules
    this.#nextBeat()
    if (rules.idle !== null) timers.schedule(this.#look, rules.idle / looks)
    if (rules.maxAge !== null) timers.schedule(this.#age, jitter(rules.maxAge, timers.environment.random()))
  }

  /** The tunnel closes, or has ended. */
  stop(): void {
    for (const timer of [this.#beat, this.#look, this.#age]) this.#timers.cancel(timer)
  }

  #nextBeat(): void {
    const { heartbeat } = this.#rules
    if (heartbeat === null) return
    const { random } = this.#timers.environment
    this.#timers.schedule(this.#beat, jitter(heartbeat.interval, random()))
  }

  #onBeat(): void {
    this.#nextBeat()
    this.#tunnel.beat()
  }

  #onLook(): void {
    const { activity } = this.#tunnel
    this.#quietLooks = activity === this.#seen ? this.#quietLooks + 1 : 0
    this.#seen = activity
    if (this.#quietLooks >= looks) this.#tunnel.close(closeCodes.idle, this.#rules.halfClosed)
    else this.#timers.schedule(this.#look, (this.#rules.idle as number) / looks)
  }

  #onAge(): void {
    this.#tunnel.close(closeCodes.maxAge, this.#rules.halfClosed)
  }
}

/** Whether these rules need a watch. */
export function needsWatch({ heartbeat, idle, maxAge }: TunnelRules): boolean {
  return heartbeat !== null || idle !== null || maxAge !== null
}
