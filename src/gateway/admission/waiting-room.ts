import { DecayingRate } from '../../core/admission/decaying-rate.ts'
import { FairQueue } from '../../core/admission/fair-queue.ts'
import { retryAfterSeconds } from '../../core/admission/retry-after.ts'
import type { Failure } from '../failure.ts'
import type { WaitingRoomConfig } from './admission-options.ts'
import type { RoomLevel } from './levels.ts'

/** Above this part it is `filling`, below the other it is `calm` again. */
const fillingAt = 0.8
const calmBelow = 0.5

/** Milliseconds over which it is measured how fast the room empties. */
const memory = 3000

/** A pool's seats, and those who wait for one. Known by the pool's name, so it outlives every change of the pool. */
export class WaitingRoom<Waiting> {
  readonly name: string
  /** Those who were not tried with any backend yet. */
  readonly queue = new FairQueue<Waiting>(0)
  /**
   * Those with whom a backend has failed, who wait for another one. Apart from the others, whom they must not hold up:
   * what has no room for them may have some for everybody else.
   */
  readonly setBack = new FairQueue<Waiting>(Number.POSITIVE_INFINITY)
  /** Upgrades under way and live tunnels. */
  used = 0
  cap = Number.POSITIVE_INFINITY
  /** Milliseconds one may wait. */
  timeout = 0
  level: RoomLevel = 'calm'
  /** The dispatch in which nobody of it could be seated. */
  stuckIn = 0
  readonly #served = new DecayingRate(memory)

  constructor(name: string) {
    this.name = name
  }

  /** How many wait. */
  get waiting(): number {
    return this.queue.size + this.setBack.size
  }

  get capacity(): number {
    return this.queue.capacity
  }

  get full(): boolean {
    return this.waiting >= this.capacity
  }

  configure({ size, timeout }: WaitingRoomConfig, cap: number): void {
    this.queue.capacity = size
    this.timeout = timeout
    this.cap = cap
  }

  /** One of those who waited got a seat. */
  served(now: number): void {
    this.#served.count(now)
  }

  /** The answer to somebody for whom there is no seat in time. */
  refusal(code: 'WAITING_ROOM_FULL' | 'WAITED_TOO_LONG', now: number): Failure {
    const { waiting } = this
    const pace = this.#served.perSecond(now)
    const expected = waiting === 0 ? 0 : Math.max((waiting * 1000) / pace, 0)
    return {
      code,
      message:
        code === 'WAITED_TOO_LONG'
          ? `no seat in pool ${this.name} became free in time`
          : `too many wait for a seat in pool ${this.name}`,
      retryAfter: retryAfterSeconds(Number.isFinite(expected) ? expected : this.timeout, Math.random()),
    }
  }

  /** Takes note of how crowded it is now; true when that is news. */
  assess(): boolean {
    const { waiting, capacity } = this
    const before = this.level
    if (capacity > 0 && waiting >= capacity) this.level = 'full'
    else if (waiting < capacity * calmBelow || waiting === 0) this.level = 'calm'
    else if (this.level === 'calm' && waiting >= capacity * fillingAt) this.level = 'filling'
    return this.level !== before
  }
}
