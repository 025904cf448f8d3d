import type { TokenBucket } from '../core/admission/token-bucket.ts'
import { Timer } from '../core/timer-wheel.ts'
import { type InboundLimits, InboundQueue } from './inbound-queue.ts'
import { isThenable } from './thenable.ts'
import type { Timers } from './timers.ts'

/** Whose messages an inbox puts in order. */
export interface InboxOwner {
  /** Handles one message. May throw; a promise is waited for. */
  handle(data: string | Uint8Array): unknown
  handlerFailed(error: unknown): void
  /** More came than the bucket lets pass, or than may wait, and that is not to be waited for. */
  tooManyMessages(): void
  /** The bucket had nothing left for a message. */
  rateExceeded(): void
  /** Nothing waits any more. */
  caughtUp(): void
  pause(): void
  resume(): void
}

/**
 * Has messages handled one after the other, and no more of them in a time than the bucket lets pass. What has to wait
 * waits in a queue; when that is full, the socket is paused.
 */
export class Inbox {
  readonly #owner: InboxOwner
  readonly #timers: Timers
  readonly #queue: InboundQueue
  readonly #bucket: TokenBucket | null
  readonly #strict: boolean
  readonly #timer = new Timer<Inbox>(this, (inbox) => inbox.#continue())
  #busy = false
  #paused = false
  #stopped = false

  /** @param strict whether a message for which there is no token is one too many, instead of one that waits */
  constructor(
    owner: InboxOwner,
    timers: Timers,
    limits: InboundLimits,
    bucket: TokenBucket | null,
    strict: boolean,
  ) {
    this.#owner = owner
    this.#timers = timers
    this.#queue = new InboundQueue(limits)
    this.#bucket = bucket
    this.#strict = strict
  }

  /** Whether a message is being handled, or waits for that. */
  get working(): boolean {
    return this.#busy || this.#queue.count > 0
  }

  receive(data: string | Uint8Array): void {
    if (this.#stopped) return
    if (this.#strict && !this.#mayPass()) {
      this.#owner.rateExceeded()
      this.#owner.tooManyMessages()
      return
    }
    if (!this.#busy && this.#queue.count === 0 && (this.#strict || this.#mayPass())) {
      this.#handle(data)
      return
    }
    this.#queue.push(data)
    if (this.#queue.flooded) {
      this.#owner.tooManyMessages()
      return
    }
    if (this.#queue.full) this.#pause()
    if (!this.#busy && !this.#timer.scheduled) this.#continue()
  }

  /** Handles nothing until `work` is settled; what it rejects with is a handler's failure. */
  wait(work: PromiseLike<unknown>): void {
    this.#busy = true
    Promise.resolve(work).then(
      () => this.#done(),
      (error: unknown) => {
        this.#owner.handlerFailed(error)
        this.#done()
      },
    )
  }

  /** Forgets what waits. */
  stop(): void {
    this.#stopped = true
    this.#queue.clear()
    this.#timers.cancel(this.#timer)
  }

  #done(): void {
    this.#busy = false
    this.#continue()
  }

  #continue(): void {
    while (!this.#busy && this.#queue.count > 0) {
      if (!this.#strict && !this.#mayPass()) {
        this.#owner.rateExceeded()
        this.#timers.schedule(this.#timer, this.#bucket?.wait(this.#timers.now()) ?? 0)
        return
      }
      const data = this.#queue.shift() as string | Uint8Array
      if (this.#paused && this.#queue.low) this.#resume()
      this.#handle(data)
    }
    if (!this.#busy && !this.#stopped) this.#owner.caughtUp()
  }

  #mayPass(): boolean {
    return this.#bucket === null || this.#bucket.take(this.#timers.now())
  }

  #handle(data: string | Uint8Array): void {
    let result: unknown
    try {
      result = this.#owner.handle(data)
    } catch (error) {
      this.#owner.handlerFailed(error)
      return
    }
    if (isThenable(result)) this.wait(result)
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#owner.pause()
  }

  #resume(): void {
    this.#paused = false
    this.#owner.resume()
  }
}
