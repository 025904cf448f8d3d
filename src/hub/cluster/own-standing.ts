/** Whether the others take what this node says: `doubtful` when they may have let its lease end. */
export type Standing = 'held' | 'doubtful' | 'none'

export interface OwnStandingContext {
  /** Resolves when the others know this life of this node, or have had the time to learn of it. */
  introduce(incarnation: number): Promise<void>
  /** `known` may be another now. */
  changed(): void
}

/** What this node is to the others. */
export class OwnStanding {
  readonly #context: OwnStandingContext
  #incarnation = 0
  #busUp = false
  #lease: Standing = 'none'
  #introduced = false
  /** Settled when the introduction that is under way has ended. */
  introducing: Promise<void> | null = null

  constructor(context: OwnStandingContext) {
    this.#context = context
  }

  /** Which life it is; 0 before the first. */
  get incarnation(): number {
    return this.#incarnation
  }

  get lease(): Standing {
    return this.#lease
  }

  /** Whether it can talk to the others, who know it. */
  get known(): boolean {
    return this.#busUp && this.#lease === 'held' && this.#introduced
  }

  bus(up: boolean): void {
    this.#busUp = up
    this.#introduce()
    this.#context.changed()
  }

  /** It has a lease, and with it a new life. */
  hold(incarnation: number): void {
    this.#incarnation = incarnation
    this.#lease = 'held'
    this.#introduced = false
    this.#introduce()
    this.#context.changed()
  }

  lose(): void {
    this.#lease = 'none'
    this.#context.changed()
  }

  /** It could not beat for too long; or it could again, and still held the lease. */
  doubt(doubtful: boolean): void {
    if (this.#lease !== 'none') this.#lease = doubtful ? 'doubtful' : 'held'
    this.#context.changed()
  }

  /** As soon as it can talk to the others. */
  #introduce(): void {
    if (!this.#busUp || this.#lease === 'none' || this.#introduced) return
    const incarnation = this.#incarnation
    this.introducing = this.#context.introduce(incarnation).then(() => {
      // Only over a bus that has carried it, and not in an earlier life.
      if (!this.#busUp || incarnation !== this.#incarnation) return
      this.#introduced = true
      this.#context.changed()
    })
  }
}
