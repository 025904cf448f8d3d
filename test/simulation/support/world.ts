import type { Environment } from '../../../src/gateway/environment.ts'
import type { Chance } from './chance.ts'

/** Somebody who has something to do now. Runs once for each time it was woken. */
export interface Task {
  /** Whether it waits for its turn; the world's field. */
  ready: boolean
  run(): void
}

interface Alarm {
  readonly at: number
  readonly number: number
  callback: (() => void) | null
}

export interface WorldOptions {
  /** How often time passes although somebody has something to do. @default 0.02 */
  readonly haste?: number
  /** How much time passes then at most, in milliseconds. @default 20 */
  readonly stall?: number
}

/**
 * Virtual time and a scheduler. Whoever has something to do waits in one heap, and who is next is drawn: so every
 * order of events comes up that nothing forbids. Time stands still unless it is drawn to pass or nobody has
 * anything to do. After each event all promises that it kept are served, as a runtime does it.
 */
export class World {
  readonly chance: Chance
  readonly environment: Environment
  /** Virtual milliseconds. */
  now = 1_000_000
  steps = 0
  /** What must not be, in words; the first is the one to look at. */
  readonly violations: string[] = []
  /** Called when nobody has anything to do until time passes. */
  onQuiet: () => void = () => {}
  /** Is told of every event, for those who look for a cause. */
  trace: ((line: () => string) => void) | null = process.env.FAIRLEAD_TRACE
    ? (line) => console.log(this.steps, line())
    : null
  /** Called when somebody was woken. */
  onWake: () => void = () => {}
  /** What a turn of the event loop does at least, such as accepting. */
  readonly turns: (() => void)[] = []
  readonly #ready: Task[] = []
  readonly #alarms: Alarm[] = []
  /** How often time passes although somebody has something to do. */
  haste: number
  /** How much time passes at once at most. */
  readonly stall: number
  #alarmNumber = 0

  constructor(chance: Chance, { haste = 0.02, stall = 20 }: WorldOptions = {}) {
    this.chance = chance
    this.haste = haste
    this.stall = stall
    const randoms = chance.fork()
    this.environment = {
      now: () => this.now,
      date: () => 1_700_000_000_000 + this.now,
      random: randoms.real,
      setAlarm: (callback, milliseconds) => this.after(milliseconds, callback),
      clearAlarm: (alarm) => {
        ;(alarm as Alarm).callback = null
      },
      turn: () => this.#turn(),
    }
  }

  get idle(): boolean {
    return this.#ready.length === 0
  }

  /** Notes what must not be. */
  violated(what: string): void {
    if (this.violations.length < 20) this.violations.push(`step ${this.steps}, ${this.now} ms: ${what}`)
  }

  wake(task: Task): void {
    if (task.ready) return
    task.ready = true
    this.#ready.push(task)
    this.onWake()
  }

  /** Calls back in so many milliseconds. */
  after(milliseconds: number, callback: () => void): Alarm {
    const alarm = { at: this.now + Math.max(0, milliseconds), number: this.#alarmNumber++, callback }
    const heap = this.#alarms
    let at = heap.push(alarm) - 1
    for (;;) {
      const parent = (at - 1) >> 1
      if (at === 0 || !isBefore(alarm, heap[parent] as Alarm)) break
      heap[at] = heap[parent] as Alarm
      at = parent
    }
    heap[at] = alarm
    return alarm
  }

  /** One event, and what its promises do; false when there will never be another. */
  async step(): Promise<boolean> {
    this.steps++
    // Before time passes, whatever was begun goes as far as it can.
    if (this.idle || this.steps % 2000 === 0) await new Promise((resolve) => setImmediate(resolve))
    const more = this.#event()
    await promisesKept()
    return more
  }

  /** The same at once, for those who need no promises. */
  stepNow(): boolean {
    this.steps++
    return this.#event()
  }

  /** Goes on until `holds` does, nothing happens any more, or a violation; true when it holds. */
  async until(holds: () => boolean, mostSteps = 10_000_000): Promise<boolean> {
    // What was begun just now goes as far as it can before time may pass.
    await new Promise((resolve) => setImmediate(resolve))
    for (let step = 0; step < mostSteps; step++) {
      if (holds()) return true
      if (this.violations.length > 0) return false
      if (!(await this.step())) return holds()
    }
    this.violated(`${mostSteps} steps are not enough`)
    return false
  }

  #event(): boolean {
    const ready = this.#ready
    if (ready.length === 0) {
      this.onQuiet()
      // The check may have woken somebody.
      if (ready.length === 0) return this.#passTime()
    }
    if (this.chance.is(this.haste)) {
      this.now += this.chance.size(this.stall)
      this.#ringDue()
      return true
    }
    const index = this.chance.int(0, ready.length - 1)
    const task = ready[index] as Task
    const last = ready.pop() as Task
    if (last !== task) ready[index] = last
    task.ready = false
    this.#guard(() => task.run())
    return true
  }

  #passTime(): boolean {
    const next = this.#first()
    if (next === undefined) return false
    this.now = Math.max(this.now, next.at)
    // A timer is never early and mostly late.
    if (this.haste > 0 && this.chance.is(0.3)) this.now += this.chance.size(this.stall)
    this.#ringDue()
    return true
  }

  #ringDue(): void {
    for (let alarm = this.#first(); alarm !== undefined && alarm.at <= this.now; alarm = this.#first()) {
      this.#dropFirst()
      const { callback } = alarm
      if (callback !== null) this.#guard(callback)
    }
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.violated(`exception: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }

  #first(): Alarm | undefined {
    for (;;) {
      const first = this.#alarms[0]
      if (first === undefined || first.callback !== null) return first
      this.#dropFirst()
    }
  }

  #dropFirst(): void {
    const heap = this.#alarms
    const last = heap.pop() as Alarm
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Alarm, heap[child] as Alarm)) child++
      if (!isBefore(heap[child] as Alarm, last)) break
      heap[at] = heap[child] as Alarm
      at = child
    }
    heap[at] = last
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      const run = (): void => {
        for (const turn of this.turns) turn()
        resolve()
      }
      this.wake({ ready: false, run })
    })
  }
}

function isBefore(first: Alarm, second: Alarm): boolean {
  return first.at < second.at || (first.at === second.at && first.number < second.number)
}

/** Resolves behind every promise that is kept by now, and those that follow from it. */
function promisesKept(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}
