/** What the wheel needs to know of a timer. The fields belong to the wheel. */
interface Entry {
  next: Entry | null
  previous: Entry | null
  due: number
  parked: number
  expire(): void
}

/**
 * One deadline, embedded in its owner, scheduled as often as the owner likes. `fire` is a static function that
 * is given the owner, so that a connection with three deadlines holds three of these and no closure.
 */
export class Timer<T> implements Entry {
  readonly #owner: T
  readonly #fire: (owner: T) => void
  /** @internal Neighbours in the slot; they belong to the wheel, like the next three. */
  next: Entry | null = null
  /** @internal */
  previous: Entry | null = null
  /** @internal Tick of the deadline; 0: not scheduled. */
  due = 0
  /** @internal Tick at which the wheel looks at it, never after `due`; 0: in no slot. */
  parked = 0

  constructor(owner: T, fire: (owner: T) => void) {
    this.#owner = owner
    this.#fire = fire
  }

  /** Whether it is going to fire. */
  get scheduled(): boolean {
    return this.due !== 0
  }

  /** @internal */
  expire(): void {
    this.#fire(this.#owner)
  }
}

export interface TimerWheelOptions {
  /** The present, in milliseconds of any clock that does not run backwards. */
  readonly now: number
  /** Whole milliseconds of one tick, which is how late a timer may be. @default 50 */
  readonly resolution?: number
  /**
   * Ticks of one turn, a power of two. Deadlines further away are looked at once a turn; more slots cost
   * 8 bytes each. @default 2048
   */
  readonly slots?: number
}

// Deadlines further away than this many ticks (621 days at 50 ms) are brought forward to it, so that ticks stay
// small integers, which both engines keep inside the object.
const horizon = 2 ** 30

/**
 * Deadlines by the hundred thousand: a hashed timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing
 * Wheels", 1987, scheme 6) without clock and timers of its own. `schedule` and `cancel` are O(1) and allocate
 * nothing.
 *
 * A timer sits in the slot of its deadline or of an earlier tick. Moving a deadline back, which a busy
 * connection does several times per request, therefore writes one number; when the slot's turn comes, the timer
 * moves on to where it belongs. Deadlines beyond one turn of the wheel work the same way.
 */
export class TimerWheel {
  readonly #origin: number
  readonly #resolution: number
  readonly #slots: (Entry | null)[]
  readonly #mask: number
  /** The tick that was reached. All before it are done; its own slot holds timers only while it is worked on. */
  #current = 0
  /** No slot before this tick holds a timer, and it is never before `#current`. */
  #next = 0
  #size = 0

  /** @throws RangeError when `resolution` is not a whole number or `slots` not a power of two */
  constructor(options: TimerWheelOptions) {
    const { now, resolution = 50, slots = 2048 } = options
    if (!(Number.isSafeInteger(resolution) && resolution > 0)) {
      throw new RangeError(`expected whole milliseconds as resolution, not ${resolution}`)
    }
    if (!(Number.isSafeInteger(slots) && slots > 1 && (slots & (slots - 1)) === 0)) {
      throw new RangeError(`expected a power of two as number of slots, not ${slots}`)
    }
    // Whole numbers keep `nextAt` exact: `advance(nextAt())` always reaches the tick that was meant.
    this.#origin = Math.floor(now)
    this.#resolution = resolution
    this.#slots = new Array<Entry | null>(slots).fill(null)
    this.#mask = slots - 1
  }

  /** Timers that are going to fire. */
  get size(): number {
    return this.#size
  }

  /** Fires the timer once `at` is reached, and not at the time it was scheduled for before. */
  schedule(timer: Entry, at: number): void {
    const current = this.#current
    let due = Math.ceil((at - this.#origin) / this.#resolution)
    if (due > current + horizon) due = current + horizon
    // Also what is not a number: better at once than never.
    if (!(due > current)) due = current + 1
    if (timer.due === 0) this.#size++
    timer.due = due
    const parked = timer.parked
    if (parked !== 0) {
      if (parked <= due) return
      this.#unlink(timer)
    }
    this.#link(timer)
  }

  /** The timer does not fire. Harmless when it is not scheduled. */
  cancel(timer: Entry): void {
    if (timer.due === 0) return
    timer.due = 0
    this.#size--
    this.#unlink(timer)
  }

  /**
   * Fires everything that is due at `now`, in the order of ticks. A timer that fires may schedule and cancel any
   * timer, itself included. What a timer throws passes through; the rest fires at the next call.
   */
  advance(now: number): void {
    const target = Math.floor((now - this.#origin) / this.#resolution)
    for (let tick = this.#nextTick(); tick !== 0 && tick <= target; tick = this.#nextTick()) {
      this.#current = tick
      this.#turn()
    }
    if (target > this.#current) this.#current = target
  }

  /**
   * When `advance` has to be called next, undefined for never. May be earlier than the next deadline: some
   * timers only need to be moved.
   */
  nextAt(): number | undefined {
    const tick = this.#nextTick()
    return tick === 0 ? undefined : this.#origin + tick * this.#resolution
  }

  /** The first tick whose slot holds a timer; 0: there is none. */
  #nextTick(): number {
    if (this.#size === 0) return 0
    const slots = this.#slots
    const mask = this.#mask
    let tick = this.#next
    while (slots[tick & mask] === null) tick++
    this.#next = tick
    return tick
  }

  /** Empties the slot of the current tick. Timers come and go meanwhile, so it always takes the first. */
  #turn(): void {
    const slots = this.#slots
    for (;;) {
      // Read anew each time: what fires may call `advance`.
      const current = this.#current
      const timer = slots[current & this.#mask] as Entry | null
      if (timer === null) return
      this.#unlink(timer)
      if (timer.due > current) {
        this.#link(timer)
      } else {
        timer.due = 0
        this.#size--
        timer.expire()
      }
    }
  }

  #link(timer: Entry): void {
    // Never a full turn ahead: that would be the slot that is just being emptied.
    const tick = Math.min(timer.due, this.#current + this.#mask)
    const slots = this.#slots
    const slot = tick & this.#mask
    const first = slots[slot] as Entry | null
    if (first !== null) first.previous = timer
    timer.next = first
    timer.parked = tick
    slots[slot] = timer
    if (tick < this.#next || this.#size === 1) this.#next = tick
  }

  #unlink(timer: Entry): void {
    const { next, previous } = timer
    if (previous === null) this.#slots[timer.parked & this.#mask] = next
    else previous.next = next
    if (next !== null) next.previous = previous
    timer.next = null
    timer.previous = null
    timer.parked = 0
  }
}
