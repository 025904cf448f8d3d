import { randomInt } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Relayed } from '../local.ts'

/** Missed probes after which a node takes itself for deaf. */
const misses = 3

export interface ProbeContext {
  readonly clock: Clock
  readonly every: number
  say(count: number): Promise<Relayed>
  /** The node hears nothing though its connection looks well. */
  deaf(): void
  /** Whether the node hears itself has changed. */
  changed(): void
}

/** Publishes to its own node and listens whether that arrives: the only way to know that a bus delivers. */
export class Probe {
  readonly #context: ProbeContext
  /** Begins anywhere, so that another process of the same name hears nothing of its own in it. */
  #count = randomInt(2 ** 47)
  /** When each probe that is under way was sent. */
  readonly #sent = new Map<number, number>()
  #unanswered = 0
  #hears = false
  #cancel: (() => void) | null = null
  /** Milliseconds from publishing to hearing, last time; null before the first. */
  lag: number | null = null

  constructor(context: ProbeContext) {
    this.#context = context
  }

  /** Whether the last probes were heard. */
  get hears(): boolean {
    return this.#hears
  }

  start(): void {
    this.#cancel?.()
    this.#cancel = this.#context.clock.after(this.#context.every, () => this.#next())
    this.#send()
  }

  heard(count: number): void {
    const sentAt = this.#sent.get(count)
    if (sentAt === undefined) return
    for (const earlier of this.#sent.keys()) if (earlier <= count) this.#sent.delete(earlier)
    this.lag = this.#context.clock.now() - sentAt
    this.#unanswered = 0
    this.#set(true)
  }

  /** The bus is down: nothing is heard until it is up, and `start` is called. */
  down(): void {
    this.#cancel?.()
    this.#sent.clear()
    this.#unanswered = 0
    this.#set(false)
  }

  close(): void {
    this.#cancel?.()
  }

  #next(): void {
    if (this.#sent.size > 0) this.#unanswered += 1
    if (this.#unanswered === misses) {
      this.#unanswered = 0
      this.#set(false)
      this.#context.deaf()
    }
    this.start()
  }

  #send(): void {
    this.#count += 1
    this.#sent.set(this.#count, this.#context.clock.now())
    if (this.#sent.size > misses)
      for (const oldest of this.#sent.keys()) {
        this.#sent.delete(oldest)
        break
      }
    void this.#context.say(this.#count)
  }

  #set(hears: boolean): void {
    if (this.#hears === hears) return
    this.#hears = hears
    this.#context.changed()
  }
}
