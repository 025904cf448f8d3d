/** A listener of `emit`s of other nodes. */
export type NodeListener = (value: unknown, from: string) => void

/** Who listens to what other nodes `emit`, by name. */
export class NodeListeners {
  readonly #listeners = new Map<string, Set<NodeListener>>()
  readonly #failed: (error: unknown) => void

  /** @param failed gets what a listener throws */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  /** Listens until the function that is returned is called. */
  on(name: string, listener: NodeListener): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name)
    }
  }

  /**
   * @param text JSON
   * @returns false when it is none
   */
  tell(name: string, text: string, from: string): boolean {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined) return true
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return false
    }
    for (const listener of listeners) {
      try {
        listener(value, from)
      } catch (error) {
        this.#failed(error)
      }
    }
    return true
  }
}
