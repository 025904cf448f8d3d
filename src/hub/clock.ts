/** Time as the hub sees it, so that tests can turn it. */
export interface Clock {
  /** Milliseconds of a clock that never runs backwards; its zero means nothing. */
  now(): number
  /** Calls `fire` once after `delay` ms, unless the function that is returned is called before. */
  after(delay: number, fire: () => void): () => void
  /** Calls `fire` when the work at hand is done: after everything that arrived together has been handled. */
  soon(fire: () => void): void
}

/** Timers of it do not keep the process alive: connections and servers do. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(delay, fire) {
    const timer = setTimeout(fire, delay)
    timer.unref()
    return () => clearTimeout(timer)
  },
  soon(fire) {
    setImmediate(fire)
  },
}
