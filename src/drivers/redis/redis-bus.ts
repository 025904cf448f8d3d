import type { Bus, BusEvents } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { LinkPart } from '../../hub/link/broker-link.ts'
import type { RedisCircuit } from './redis-circuit.ts'
import type { RedisLink } from './redis-link.ts'
import { RedisSubscriptions, type Subscriber } from './redis-subscriptions.ts'

/** Pub/sub of one node; in a Redis Cluster the sharded one. */
export class RedisBus implements Bus, LinkPart<RedisCircuit> {
  events: BusEvents = { message() {}, down() {}, up() {} }
  readonly #link: RedisLink
  readonly #subscriptions: RedisSubscriptions
  #closed = false

  constructor(link: RedisLink) {
    this.#link = link
    this.#subscriptions = new RedisSubscriptions((channel) =>
      link.options.log.warn({ channel }, 'Redis does not permit to subscribe'),
    )
  }

  start(events: BusEvents, patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    this.events = events
    return this.#link.open(this, patience, this)
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    const name = this.#link.keyOf('c', channel)
    const command = this.#link.sharded ? 'SPUBLISH' : 'PUBLISH'
    await this.#link.current.request(name, [command, name, asBuffer(payload)], payload.length)
  }

  subscribe(channel: string): Promise<void> {
    return this.#subscriptions.want(channel)
  }

  unsubscribe(channel: string): void {
    this.#subscriptions.drop(channel)
  }

  reconnect(reason: string): void {
    this.#link.reconnect(reason)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#subscriptions.close()
    this.#link.close(this)
  }

  async attach(circuit: RedisCircuit): Promise<void> {
    await circuit.openSubscribers()
    await this.#subscriptions.attach(this.#subscriberAt(circuit))
  }

  detach(): void {
    this.#subscriptions.detach()
  }

  #subscriberAt(circuit: RedisCircuit): Subscriber {
    const link = this.#link
    const prefix = link.keyOf('c', '').length
    const heard = (payload: Buffer, name: Buffer) => {
      const channel = name.toString('utf8', prefix)
      if (this.#subscriptions.wants(channel)) this.events.message(channel, payload)
    }
    const at = (channels: string[]) => circuit.subscriber(link.tagOf(channels[0] as string))
    const named = (channels: string[]) => channels.map((channel) => link.keyOf('c', channel))
    return {
      group: (channel) => (link.sharded ? link.tagOf(channel) : ''),
      subscribe: (channels) => at(channels).subscribe(named(channels), link.sharded, heard),
      unsubscribe: (channels) => at(channels).unsubscribe(named(channels), link.sharded),
    }
  }
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
