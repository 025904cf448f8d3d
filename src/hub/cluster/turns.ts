import { unavailable } from '../cluster-error.ts'

/** Lets so many do something at once; the others wait for their turn, in their order, unless they give up. */
export class Turns {
  readonly #most: number
  readonly #waiting = new Set<() => void>()
  /** Of those that wait and those whose turn it is. */
  readonly #cancels = new Set<() => void>()
  #busy = 0
  #closed = false

  constructor(most: number) {
    this.#most = most
  }

  /** That wait for their turn. */
  get waiting(): number {
    return this.#waiting.size
  }

  /**
   * Rejects as `work` does, and at once when the signal aborts. `work` that is under way then keeps its turn until it
   * has ended, for nobody.
   */
  run<T>(work: () => Promise<T>, signal: AbortSignal | null): Promise<T> {
    if (this.#closed || signal?.aborted) return Promise.reject(unavailable('nobody waits for it any more'))
    return new Promise<T>((resolve, reject) => {
      const ended = () => {
        this.#waiting.delete(begin)
        this.#cancels.delete(cancel)
        signal?.removeEventListener('abort', cancel)
      }
      const cancel = () => {
        ended()
        reject(unavailable('nobody waits for it any more'))
      }
      const begin = async () => {
        this.#waiting.delete(begin)
        this.#busy += 1
        try {
          resolve(await work())
        } catch (error) {
          reject(error)
        } finally {
          ended()
          this.#busy -= 1
          this.#next()
        }
      }
      this.#cancels.add(cancel)
      signal?.addEventListener('abort', cancel)
      if (this.#busy < this.#most) void begin()
      else this.#waiting.add(begin)
    })
  }

  /** Nobody's turn comes any more. */
  close(): void {
    this.#closed = true
    for (const cancel of [...this.#cancels]) cancel()
  }

  #next(): void {
    for (const begin of this.#waiting) {
      begin()
      return
    }
  }
}
