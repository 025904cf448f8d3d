import type { Clock } from '../clock.ts'
import type { NodeRecord } from '../cluster.ts'
import type { Members } from './members.ts'
import { settledWithin } from './settled-within.ts'

/** Milliseconds that a node waits to be known. By then the others have looked by themselves, or cannot. */
const within = 2_000
/** Nodes that wait for this one to know them, at most. */
const maxWaiting = 1_024

export interface IntroductionsContext {
  readonly clock: Clock
  readonly members: Members
  /** Asks every other node whether it knows this life of this node. Resolves when all have said so, or cannot. */
  ask(incarnation: number): Promise<unknown>
  /** Has the registry look. */
  refresh(): void
}

/**
 * How nodes get to know each other at once. Who is new is in the registry, where the others find it at their next look;
 * until then they would miss its users, and count without it. So it asks them to look, and is not ready before they
 * have.
 */
export class Introductions {
  readonly #context: IntroductionsContext
  /** Who waits to be known: in which life, and what to do then. */
  readonly #waiting = new Map<(known: boolean) => void, Pick<NodeRecord, 'id' | 'incarnation'>>()

  constructor(context: IntroductionsContext) {
    this.#context = context
  }

  /** Resolves when the others know this life of this node, or have had the time for it. */
  introduce(incarnation: number): Promise<void> {
    return settledWithin(this.#context.clock, within, this.#context.ask(incarnation))
  }

  /** Another node introduces itself. Resolves to whether it is known. */
  meet(id: string, incarnation: number): Promise<boolean> {
    const { clock, members, refresh } = this.#context
    if (members.isLife(id, incarnation)) return Promise.resolve(true)
    if (this.#waiting.size >= maxWaiting) return Promise.resolve(false)
    return new Promise((resolve) => {
      const settle = (known: boolean) => {
        cancel()
        this.#waiting.delete(settle)
        resolve(known)
      }
      const cancel = clock.after(within, () => settle(false))
      this.#waiting.set(settle, { id, incarnation })
      refresh()
    })
  }

  joined({ id, incarnation }: NodeRecord): void {
    for (const [settle, who] of this.#waiting) {
      if (who.id === id && who.incarnation <= incarnation) settle(true)
    }
  }

  close(): void {
    for (const settle of this.#waiting.keys()) settle(false)
  }
}
