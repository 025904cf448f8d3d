import { WheelClock } from '../core/wheel-clock.ts'
import { type Environment, machine } from './environment.ts'

/** The deadlines of a gateway, by the clock of its environment. */
export class Timers extends WheelClock<unknown> {
  readonly environment: Environment

  constructor(environment: Environment = machine) {
    super({
      now: () => environment.now(),
      set: (ring, milliseconds) => environment.setAlarm(ring, milliseconds),
      clear: (alarm) => environment.clearAlarm(alarm),
    })
    this.environment = environment
  }
}
