import type { Clock } from '../clock.ts'

interface Due {
  readonly at: number
  readonly order: number
  readonly fire: () => void
}

/** A clock that a test turns: the same order of events every time, and an hour in a moment. */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  #soon: (() => void)[] = []
  readonly #timers = new Set<Due>()

  now(): number {
    return this.#now
  }

  after(delay: number, fire: () => void): () => void {
    const due = { at: this.#now + Math.max(0, delay), order: this.#order++, fire }
    this.#timers.add(due)
    return () => this.#timers.delete(due)
  }

  soon(fire: () => void): void {
    this.#soon.push(fire)
  }

  /** Timers that are set. */
  get size(): number {
    return this.#timers.size
  }

  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    await this.settle()
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#now = next.at
      this.#timers.delete(next)
      next.fire()
      await this.settle()
    }
    this.#now = end
  }

  /** Everything that happens at this moment, promises included. */
  async settle(): Promise<void> {
    do {
      const soon = this.#soon
      this.#soon = []
      for (const fire of soon) fire()
      // All promises that follow from each other are done before the next immediate.
      await new Promise((resolve) => setImmediate(resolve))
    } while (this.#soon.length > 0)
  }

  #next(end: number): Due | null {
    let next: Due | null = null
    for (const due of this.#timers) {
      if (due.at > end) continue
      if (next === null || due.at < next.at || (due.at === next.at && due.order < next.order)) next = due
    }
    return next
  }
}
