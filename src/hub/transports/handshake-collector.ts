import type { Clock } from '../clock.ts'

/** What so many handshakes leave behind is worth a collection of what is young. */
const worthwhile = 500

/**
 * Such a collection looks at more than what is young, the more there is: 1 ms in a process of 80 MB, 4 ms in one of
 * 900 MB. Beyond this the program has other things in memory than what handshakes leave.
 */
const mostResident = 256 * 1024 * 1024

/** Milliseconds after the last of a burst: what the one before has found is free only then. */
const quiet = 1000

/** The memory of a process, as its runtime sees it. */
export interface RuntimeMemory {
  /** Bytes that the process has of the machine. */
  residentBytes(): number
  /** Asks for a collection of what is young, and does not wait for it. */
  collect(): void
}

/**
 * Has the garbage of handshakes collected while they come. Most of it is outside the heap of JavaScript, by which
 * Bun's collector goes, so that it would lie around until long after a burst of connections, and in between what stays:
 * a third of the memory of an idle connection (`npm run bench:hub -- --work memory`).
 */
export class HandshakeCollector {
  readonly #memory: RuntimeMemory
  readonly #clock: Pick<Clock, 'after'>
  #count = 0
  #cancelLast: () => void = () => {}

  constructor(memory: RuntimeMemory, clock: Pick<Clock, 'after'>) {
    this.#memory = memory
    this.#clock = clock
  }

  /** There was a handshake. */
  count(): void {
    if (++this.#count < worthwhile) return
    this.#count = 0
    this.#cancelLast()
    this.#collect()
    this.#cancelLast = this.#clock.after(quiet, () => this.#collect())
  }

  #collect(): void {
    if (this.#memory.residentBytes() <= mostResident) this.#memory.collect()
  }
}
