import { Connection } from '../load/connection.ts'
import { Tunnel } from '../load/tunnel.ts'
import { type Entry, now } from './storm.ts'

// How the client of Socket.IO reconnects unless told otherwise: after a second, then two, four and five, each give or
// take a random half, and an attempt that takes longer than 20 seconds has failed. A browser does not show the answer
// to an upgrade to the page, so what a `Retry-After` says reaches nobody.
const firstDelayMs = 1000
const longestDelayMs = 5000
const giveOrTake = 0.5
const attemptMs = 20_000

/** Whom a client tells how it went. */
export interface Witness {
  entered(entry: Entry): void
  /** An attempt failed, or a tunnel ended that had been open. */
  failed(reason: string, wasOpen: boolean): void
}

/** A client that wants in, and comes back until it is. */
export class ReturningClient {
  readonly #port: number
  readonly #witness: Witness
  #firstAt = 0
  #attempts = 0
  #attempt: Attempt | null = null
  #timer: ReturnType<typeof setTimeout> | null = null

  constructor(port: number, witness: Witness) {
    this.#port = port
    this.#witness = witness
  }

  start(): void {
    this.#firstAt = now()
    this.#dial()
  }

  /** Ends it, whatever it is doing, by a reset, so that no port stays behind. */
  leave(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#attempt?.abandon()
  }

  #dial(): void {
    this.#attempts++
    const attempt = new Attempt(
      () => this.#entered(),
      (reason, wasOpen) => this.#failed(reason, wasOpen),
    )
    this.#attempt = attempt
    this.#timer = setTimeout(() => {
      attempt.abandon()
      this.#failed(`no answer in ${attemptMs / 1000} s`, false)
    }, attemptMs)
    Connection.dial(attempt, this.#port)
  }

  #entered(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const at = now()
    this.#witness.entered({ at, waited: at - this.#firstAt, attempt: this.#attempts })
  }

  #failed(reason: string, wasOpen: boolean): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** (this.#attempts - 1))
    const jittered = delay * (1 - giveOrTake + 2 * giveOrTake * Math.random())
    this.#timer = setTimeout(() => this.#dial(), jittered)
    this.#witness.failed(reason, wasOpen)
  }
}

/** One connection of a client. It says once that it is in and once that it has failed, and nothing once abandoned. */
class Attempt extends Tunnel {
  readonly #entered: () => void
  readonly #failed: (reason: string, wasOpen: boolean) => void
  #open = false
  #abandoned = false

  constructor(entered: () => void, failed: (reason: string, wasOpen: boolean) => void) {
    super()
    this.#entered = entered
    this.#failed = failed
  }

  abandon(): void {
    this.#abandoned = true
    this.reset()
  }

  protected override opened(): void {
    // Abandoned while it was connecting, when there was no socket yet.
    if (this.#abandoned) this.reset()
    else super.opened()
  }

  protected override established(): void {
    this.#open = true
    if (!this.#abandoned) this.#entered()
  }

  protected override echoed(): void {}

  protected override closed(error: Error | null): void {
    if (!this.#abandoned) this.#failed(reasonOf(error), this.#open)
  }
}

function reasonOf(error: Error | null): string {
  const status = /answered with "HTTP\/1\.1 (\d{3})/.exec(error?.message ?? '')?.[1]
  if (status !== undefined) return `answered ${status}`
  const code = (error as { code?: string } | null)?.code
  return code ?? 'closed without an answer'
}
