/**
 * Time and chance as a gateway takes them from its machine. Whatever decides something by them asks here, so
 * that a simulation can bring its own and repeat a run exactly. What is only unique or secret (ids, keys) is not.
 */
export interface Environment {
  /** Milliseconds of a clock that never runs backwards. */
  now(): number
  /** Milliseconds since 1970. */
  date(): number
  /** From 0 to below 1. */
  random(): number
  /** Calls back once, so many milliseconds from now; returns what `clearAlarm` takes. */
  setAlarm(callback: () => void, milliseconds: number): unknown
  clearAlarm(alarm: unknown): void
  /** Resolves after a turn of the event loop, in which it looked at the sockets. */
  turn(): Promise<void>
}

/** The machine this process runs on. */
export const machine: Environment = {
  now: () => performance.now(),
  date: () => Date.now(),
  random: () => Math.random(),
  setAlarm: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearAlarm: (alarm) => clearTimeout(alarm as ReturnType<typeof setTimeout>),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
}
