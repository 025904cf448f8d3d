import type { Bus, BusEvents } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { NatsLink } from './nats-link.ts'

/** Core NATS: a subject for each channel. */
export class NatsBus implements Bus {
  readonly #link: NatsLink
  #closed = false

  constructor(link: NatsLink) {
    this.#link = link
  }

  async start(events: BusEvents, patience: number): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    await this.#link.open(this, patience, events)
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    await this.#link.publish(channel, payload)
  }

  async subscribe(channel: string): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    await this.#link.subscribe(channel)
  }

  unsubscribe(channel: string): void {
    if (!this.#closed) this.#link.unsubscribe(channel)
  }

  reconnect(reason: string): void {
    if (!this.#closed) this.#link.reconnect(reason)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.silence()
    this.#link.close(this)
  }
}
