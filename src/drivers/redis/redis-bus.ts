import type { Bus, BusEvents } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { RedisLink } from './redis-link.ts'

/** Pub/sub of one node; in a Redis Cluster the sharded one. */
export class RedisBus implements Bus {
  readonly #link: RedisLink
  #closed = false

  constructor(link: RedisLink) {
    this.#link = link
  }

  start(events: BusEvents, patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience, events)
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    const name = this.#link.keyOf('c', channel)
    const command = this.#link.sharded ? 'SPUBLISH' : 'PUBLISH'
    await this.#link.request(name, [command, name, asBuffer(payload)], payload.length)
  }

  subscribe(channel: string): Promise<void> {
    return this.#link.subscriptions.want(channel)
  }

  unsubscribe(channel: string): void {
    this.#link.subscriptions.drop(channel)
  }

  reconnect(reason: string): void {
    this.#link.reconnect(reason)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.silence()
    this.#link.subscriptions.close()
    this.#link.close(this)
  }
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
