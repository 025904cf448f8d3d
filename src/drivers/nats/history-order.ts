import type { Position } from '../../hub/cluster.ts'

/** Milliseconds to wait for what is missing. */
const patience = 50
const maxHeld = 256

/**
 * Puts what a history publishes back into the order of the offsets: the server keeps messages in that order, but its
 * threads publish two that came over different connections in either order, microseconds apart. What is still missing
 * after a while is left out, and shows as a gap. What comes later than that is left out too.
 */
export class HistoryOrder {
  readonly #deliver: (position: Position, payload: Uint8Array) => void
  #epoch = ''
  /** The offset that comes next; null before the first. */
  #next: number | null = null
  readonly #held = new Map<number, Uint8Array>()
  #timer: NodeJS.Timeout | null = null

  constructor(deliver: (position: Position, payload: Uint8Array) => void) {
    this.#deliver = deliver
  }

  hear({ epoch, offset }: Position, payload: Uint8Array): void {
    if (epoch !== this.#epoch) {
      this.#release()
      this.#epoch = epoch
      this.#next = null
    }
    // Not a message: it only says that the epoch has begun.
    if (offset === 0) {
      this.#next ??= 1
      return
    }
    if (this.#next !== null && offset < this.#next) return
    if (offset !== this.#next) {
      this.#hold(offset, payload)
      return
    }
    this.#tell(offset, payload)
    if (this.#held.size > 0) this.#catchUp()
  }

  /** Forgets what was heard: the connection is lost, or nobody listens any more. */
  reset(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#held.clear()
    this.#next = null
    this.#epoch = ''
  }

  #hold(offset: number, payload: Uint8Array): void {
    this.#held.set(offset, payload)
    if (this.#held.size > maxHeld) this.#release()
    else this.#timer ??= setTimeout(() => this.#release(), patience).unref()
  }

  #catchUp(): void {
    for (;;) {
      const offset = this.#next as number
      const payload = this.#held.get(offset)
      if (payload === undefined) break
      this.#held.delete(offset)
      this.#tell(offset, payload)
    }
    if (this.#held.size > 0 || this.#timer === null) return
    clearTimeout(this.#timer)
    this.#timer = null
  }

  /** Gives up on what is missing. */
  #release(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const held = [...this.#held].sort(([a], [b]) => a - b)
    this.#held.clear()
    for (const [offset, payload] of held) this.#tell(offset, payload)
  }

  #tell(offset: number, payload: Uint8Array): void {
    this.#next = offset + 1
    this.#deliver({ epoch: this.#epoch, offset }, payload)
  }
}
