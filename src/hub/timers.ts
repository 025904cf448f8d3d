import { WheelClock } from '../core/wheel-clock.ts'

type Alarm = ReturnType<typeof setTimeout>

/** The deadlines of a hub. */
export class Timers extends WheelClock<Alarm> {
  constructor() {
    super({ now: () => performance.now(), set: setTimeout, clear: clearTimeout })
  }
}
