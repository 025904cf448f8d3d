/** The live ones of something; tells when the last has ended. */
export class LiveSet<T> extends Set<T> {
  #waiting: (() => void)[] = []

  override delete(member: T): boolean {
    const deleted = super.delete(member)
    if (this.size === 0) for (const resolve of this.#waiting.splice(0)) resolve()
    return deleted
  }

  /** Resolves at once when there is none. */
  async whenEmpty(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
