import { FairleadError } from '../../core/errors.ts'
import { unavailable } from '../../hub/cluster-error.ts'

/** Channels in one command. */
const maxChannels = 512

/** Puts channels in force at the servers, or out of it. */
export interface Subscriber {
  /** Channels with the same group can be in one command. */
  group(channel: string): string
  /** Rejects with CLUSTER_REFUSED when one of them is not permitted; none of them is in force then. */
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
  readonly #refused: (channel: string) => void
  /** Where everything is in force that was wanted when it came. */
  #subscriber: Subscriber | null = null
  /** That one, or the one that is to be it. What an earlier one still says counts no more. */
  #latest: Subscriber | null = null
  #pumping = false
  #closed = false

  /** @param refused told of each channel that is wanted no more because the server does not permit it */
  constructor(refused: (channel: string) => void) {
    this.#refused = refused
  }

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
    this.#latest = subscriber
    this.#inForce.clear()
    this.#dirty.clear()
    for (const channel of this.#wanted) this.#dirty.add(channel)
    while (this.#dirty.size > 0) await this.#round(subscriber)
    if (this.#latest !== subscriber) throw unavailable('the connection is lost')
    this.#subscriber = subscriber
    this.#pump()
  }

  /** Nothing is in force any more. */
  detach(): void {
    this.#subscriber = null
    this.#latest = null
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
        // The connection is lost, and all of it is done again at the next one; or some could not be unsubscribed from:
        // they are heard by nobody.
      }
      this.#pumping = false
      this.#pump()
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
    for (const channels of chunks(coming)) work.push(this.#bring(subscriber, channels))
    await Promise.all(work)
  }

  /** Which channel of many is not permitted, is found out by halves. */
  async #bring(subscriber: Subscriber, channels: string[]): Promise<void> {
    try {
      await subscriber.subscribe(channels)
    } catch (error) {
      if (!(error instanceof FairleadError) || error.code !== 'CLUSTER_REFUSED') throw error
      if (this.#latest !== subscriber) return
      const [channel, ...more] = channels as [string, ...string[]]
      if (more.length === 0) {
        this.#refuse(channel, error)
        return
      }
      const half = Math.ceil(channels.length / 2)
      const halves = [channels.slice(0, half), channels.slice(half)]
      await Promise.all(halves.map((each) => this.#bring(subscriber, each)))
      return
    }
    if (this.#latest !== subscriber) return
    for (const channel of channels) {
      this.#inForce.add(channel)
      if (this.#wanted.has(channel)) this.#settle(channel)
    }
  }

  #refuse(channel: string, error: FairleadError): void {
    if (!this.#wanted.delete(channel)) return
    this.#dirty.delete(channel)
    this.#refused(channel)
    const waiting = this.#waiting.get(channel) ?? []
    this.#waiting.delete(channel)
    for (const { reject } of waiting) reject(error)
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
