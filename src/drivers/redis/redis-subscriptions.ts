import { unavailable } from '../../hub/cluster-error.ts'

/** Channels in one command. */
const maxChannels = 512

/** Puts channels in force at the servers, or out of it. */
export interface Subscriber {
  /** Channels with the same group can be in one command. */
  group(channel: string): string
  subscribe(channels: string[]): Promise<void>
  unsubscribe(channels: string[]): Promise<void>
}

/**
 * What is wanted, and what is in force: the second follows the first, one round at a time, so that no `subscribe`
 * overtakes an `unsubscribe`.
 */
export class RedisSubscriptions {
  readonly #wanted = new Set<string>()
  readonly #inForce = new Set<string>()
  /** Channels in which the two may differ. */
  readonly #dirty = new Set<string>()
  readonly #waiting = new Map<string, { resolve: () => void; reject: (error: Error) => void }[]>()
  #subscriber: Subscriber | null = null
  #pumping = false
  #closed = false

  wants(channel: string): boolean {
    return this.#wanted.has(channel)
  }

  want(channel: string): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('the bus is closed'))
    this.#wanted.add(channel)
    if (this.#inForce.has(channel) && !this.#dirty.has(channel)) return Promise.resolve()
    this.#dirty.add(channel)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = this.#waiting.get(channel)
    if (waiting === undefined) this.#waiting.set(channel, [{ resolve, reject }])
    else waiting.push({ resolve, reject })
    this.#pump()
    return promise
  }

  drop(channel: string): void {
    if (!this.#wanted.delete(channel)) return
    this.#dirty.add(channel)
    // Nobody is interested in it any more, so nobody waits either.
    this.#settle(channel)
    this.#pump()
  }

  /** Everything that is wanted is put in force. Rejects when the connection is lost meanwhile. */
  async attach(subscriber: Subscriber): Promise<void> {
    this.#inForce.clear()
    this.#dirty.clear()
    for (const channel of this.#wanted) this.#dirty.add(channel)
    while (this.#dirty.size > 0) await this.#round(subscriber)
    this.#subscriber = subscriber
    this.#pump()
  }

  /** Nothing is in force any more. */
  detach(): void {
    this.#subscriber = null
    this.#inForce.clear()
  }

  close(): void {
    this.#closed = true
    this.detach()
    this.#wanted.clear()
    this.#dirty.clear()
    for (const waiting of this.#waiting.values()) {
      for (const { reject } of waiting) reject(unavailable('the bus is closed'))
    }
    this.#waiting.clear()
  }

  #pump(): void {
    const subscriber = this.#subscriber
    if (this.#pumping || subscriber === null || this.#dirty.size === 0) return
    this.#pumping = true
    // What is asked for in this tick goes together.
    setImmediate(async () => {
      try {
        while (this.#dirty.size > 0 && this.#subscriber === subscriber) await this.#round(subscriber)
      } catch {
        // The connection is lost: all of it is done again at the next one.
      }
      this.#pumping = false
      if (this.#subscriber !== subscriber) this.#pump()
    })
  }

  async #round(subscriber: Subscriber): Promise<void> {
    const coming = new Map<string, string[]>()
    const going = new Map<string, string[]>()
    for (const channel of this.#dirty) {
      const wanted = this.#wanted.has(channel)
      if (wanted === this.#inForce.has(channel)) {
        if (wanted) this.#settle(channel)
        continue
      }
      const groups = wanted ? coming : going
      const group = subscriber.group(channel)
      const channels = groups.get(group)
      if (channels === undefined) groups.set(group, [channel])
      else channels.push(channel)
    }
    this.#dirty.clear()
    const work: Promise<void>[] = []
    for (const channels of chunks(going)) {
      for (const channel of channels) this.#inForce.delete(channel)
      work.push(subscriber.unsubscribe(channels))
    }
    for (const channels of chunks(coming)) {
      work.push(
        subscriber.subscribe(channels).then(() => {
          for (const channel of channels) {
            this.#inForce.add(channel)
            if (this.#wanted.has(channel)) this.#settle(channel)
          }
        }),
      )
    }
    await Promise.all(work)
  }

  #settle(channel: string): void {
    const waiting = this.#waiting.get(channel)
    if (waiting === undefined) return
    this.#waiting.delete(channel)
    for (const { resolve } of waiting) resolve()
  }
}

function* chunks(groups: ReadonlyMap<string, string[]>): Generator<string[]> {
  for (const channels of groups.values()) {
    for (let from = 0; from < channels.length; from += maxChannels)
      yield channels.slice(from, from + maxChannels)
  }
}
