/** Listeners by event. `Events` maps the name of each event to its payload. */
export class Emitter<Events extends object> {
  /** Lists are replaced, never changed, so that an `emit` under way is not disturbed. */
  readonly #listeners = new Map<keyof Events, readonly ((payload: never) => void)[]>()
  readonly #onError: (error: unknown) => void

  /** @param onError gets what a listener throws. @default throws it again after the present work is done */
  constructor(onError: (error: unknown) => void = throwLater) {
    this.#onError = onError
  }

  /** Calls `listener` at each `event` from the next one on, until the function that is returned is called. */
  on<Name extends keyof Events>(event: Name, listener: (payload: Events[Name]) => void): () => void {
    // One function may listen twice, so each subscription is an object of its own.
    const entry = (payload: Events[Name]): void => listener(payload)
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), entry])
    return () => this.#remove(event, entry)
  }

  /** Whether anybody listens, for those who would otherwise make a payload for nobody. */
  listens(event: keyof Events): boolean {
    return this.#listeners.has(event)
  }

  /** Calls the listeners in the order in which they came. One that throws does not keep it from the others. */
  emit<Name extends keyof Events>(event: Name, payload: Events[Name]): void {
    const listeners = this.#listeners.get(event)
    if (listeners === undefined) return
    for (const listener of listeners) {
      try {
        ;(listener as (payload: Events[Name]) => void)(payload)
      } catch (error) {
        this.#onError(error)
      }
    }
  }

  #remove<Name extends keyof Events>(event: Name, entry: (payload: Events[Name]) => void): void {
    const rest = (this.#listeners.get(event) ?? []).filter((other) => other !== entry)
    if (rest.length === 0) this.#listeners.delete(event)
    else this.#listeners.set(event, rest)
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
