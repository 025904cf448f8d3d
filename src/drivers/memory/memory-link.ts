import { backoff } from '../../core/backoff.ts'
import type { Clock } from '../../hub/clock.ts'
import type { BusEvents } from '../../hub/cluster.ts'
import { unavailable, uncertain } from '../../hub/cluster-error.ts'
import type { MemoryStore } from './memory-store.ts'

/** The broker, as one link sees it. */
export interface MemoryPort {
  reachable(): boolean
  run(work: () => void): void
  store(): MemoryStore
  publish(channel: string, payload: Uint8Array): void
  listen(channel: string): void
  ignore(channel: string): void
  /** The link is in use, or no more. */
  opened(): void
  gone(): void
}

/** One node's connection to a broker in this process: what a socket is elsewhere. */
export class MemoryLink {
  readonly subscriptions = new Set<string>()
  events: BusEvents | null = null
  readonly #clock: Clock
  readonly #random: () => number
  readonly #longestWait: number
  readonly #port: MemoryPort
  #state: 'closed' | 'connecting' | 'up' = 'closed'
  /** The parts that are started and not closed. */
  readonly #users = new Set<object>()
  #cut = false
  #toldDown = false
  #attempt = 0
  /** What is to be told, in its order: never from inside a method. */
  #inbox: (() => void)[] = []
  #telling = false
  readonly #underWay = new Set<(error: Error) => void>()
  readonly #waiting = new Set<{ up(): void; closed(): void }>()

  constructor(clock: Clock, random: () => number, longestWait: number, port: MemoryPort) {
    this.#longestWait = longestWait
    this.#clock = clock
    this.#random = random
    this.#port = port
  }

  get up(): boolean {
    return this.#state === 'up'
  }

  /** Connects for one more part. Rejects after `patience`, and goes on trying then. */
  open(user: object, patience: number): Promise<void> {
    this.#users.add(user)
    if (this.#state === 'closed') {
      this.#state = 'connecting'
      this.#port.opened()
      this.#connect()
    }
    if (this.#state === 'up') return Promise.resolve()
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(patience, () => {
        this.#waiting.delete(waiter)
        reject(unavailable(`not connected within ${patience} ms`))
        this.#tellDown(`not connected within ${patience} ms`)
      })
      const waiter = {
        up: () => {
          cancel()
          resolve()
        },
        closed: () => {
          cancel()
          reject(unavailable('closed'))
        },
      }
      this.#waiting.add(waiter)
    })
  }

  /** Told once, when the link is up or closed; not after the function that is returned was called. */
  whenUp(waiter: { up(): void; closed(): void }): () => void {
    this.#waiting.add(waiter)
    return () => this.#waiting.delete(waiter)
  }

  /** Has the broker do something; what is under way when the link is lost may have been done. */
  request<T>(work: (port: MemoryPort) => T): Promise<T> {
    if (this.#state !== 'up') return Promise.reject(unavailable('not connected to the broker'))
    return new Promise<T>((resolve, reject) => {
      this.#underWay.add(reject)
      this.#port.run(() => {
        this.#underWay.delete(reject)
        try {
          resolve(work(this.#port))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  hear(channel: string, payload: Uint8Array): void {
    if (this.#state !== 'up') return
    this.#tell(() => {
      if (this.subscriptions.has(channel)) this.events?.message(channel, payload)
    })
  }

  listen(channel: string): void {
    if (this.#state === 'up') this.#port.listen(channel)
  }

  ignore(channel: string): void {
    if (this.#state === 'up') this.#port.ignore(channel)
  }

  lose(reason: string): void {
    if (this.#state !== 'up') return
    this.#state = 'connecting'
    for (const channel of this.subscriptions) this.#port.ignore(channel)
    for (const reject of this.#underWay) reject(uncertain(reason))
    this.#underWay.clear()
    this.#tellDown(reason)
    this.#attempt = 0
    this.#retry()
  }

  cut(): void {
    this.#cut = true
    this.lose('cut off')
  }

  heal(): void {
    this.#cut = false
  }

  /** Ends with the last part that used it. */
  close(user: object): void {
    this.#users.delete(user)
    if (this.#users.size > 0) return
    for (const waiter of this.#waiting) waiter.closed()
    this.#waiting.clear()
    if (this.#state === 'closed') return
    if (this.#state === 'up') for (const channel of this.subscriptions) this.#port.ignore(channel)
    this.#state = 'closed'
    for (const reject of this.#underWay) reject(uncertain('closed'))
    this.#underWay.clear()
    this.#port.gone()
  }

  #connect(): void {
    if (this.#state !== 'connecting') return
    if (this.#cut || !this.#port.reachable()) {
      this.#retry()
      return
    }
    this.#state = 'up'
    for (const channel of this.subscriptions) this.#port.listen(channel)
    if (this.#toldDown) this.#tell(() => this.events?.up())
    this.#toldDown = false
    for (const waiter of this.#waiting) waiter.up()
    this.#waiting.clear()
  }

  #retry(): void {
    this.#clock.after(backoff(this.#attempt, 50, this.#longestWait, this.#random()), () => this.#connect())
    this.#attempt += 1
  }

  #tellDown(reason: string): void {
    if (this.#toldDown || this.#state === 'up') return
    this.#toldDown = true
    this.#tell(() => this.events?.down(reason))
  }

  #tell(what: () => void): void {
    this.#inbox.push(what)
    if (this.#telling) return
    this.#telling = true
    queueMicrotask(() => {
      const told = this.#inbox
      this.#inbox = []
      this.#telling = false
      for (const each of told) each()
    })
  }
}
