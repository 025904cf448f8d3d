import type { Connection } from './connection.ts'

const readyDeadlineMs = 10_000
const quietMs = 20
const endDeadlineMs = 1000

/** The connections of a job that are still there, and the first thing that went wrong with any of them. */
export class Fleet<C extends Connection> {
  readonly members = new Set<C>()
  #waiting = 0
  #ending = false
  #failure = Promise.withResolvers<never>()
  #readiness = Promise.withResolvers<void>()
  #emptiness = Promise.withResolvers<void>()

  constructor() {
    this.#failure.promise.catch(() => {})
  }

  /** True once nothing new is to be sent. */
  get ending(): boolean {
    return this.#ending
  }

  dial(member: C, port: number, dialOne: (member: C, port: number) => void): void {
    this.members.add(member)
    this.#waiting++
    dialOne(member, port)
  }

  /** To be called once by each member when it can be used. */
  ready(): void {
    this.#waiting--
    if (this.#waiting === 0) this.#readiness.resolve()
  }

  /** To be called when a member has closed. */
  lost(member: C, error: Error | null): void {
    this.members.delete(member)
    if (!this.#ending) this.fail(`a connection was lost: ${error?.message ?? 'closed by the other side'}`)
    if (this.members.size === 0) this.#emptiness.resolve()
  }

  fail(message: string): void {
    this.#failure.reject(new Error(message))
  }

  /** Resolves when every member can be used; rejects on the first failure or when that takes too long. */
  async whenReady(deadlineMs = readyDeadlineMs): Promise<void> {
    const timer = setTimeout(
      () => this.fail(`${this.#waiting} connections were not ready in ${deadlineMs} ms`),
      deadlineMs,
    )
    try {
      await this.unlessFailed(this.#readiness.promise)
    } finally {
      clearTimeout(timer)
    }
  }

  unlessFailed<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failure.promise])
  }

  /** Runs the work once every member is ready, and ends all members whatever comes of it. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return this.runNow(() => this.whenReady().then(work))
  }

  /** Runs the work without waiting, and ends all members whatever comes of it. */
  async runNow<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.unlessFailed(work())
    } finally {
      await this.endAll()
    }
  }

  /** Lets what is in flight come back, ends every connection in order, and resets those that are not gone in time. */
  async endAll(): Promise<void> {
    this.#ending = true
    if (this.members.size === 0) return
    await new Promise((resolve) => setTimeout(resolve, quietMs))
    for (const member of [...this.members]) member.end()
    const timer = setTimeout(() => {
      for (const member of [...this.members]) member.reset()
      this.#emptiness.resolve()
    }, endDeadlineMs)
    if (this.members.size > 0) await this.#emptiness.promise
    clearTimeout(timer)
  }
}
