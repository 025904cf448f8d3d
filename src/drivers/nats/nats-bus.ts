import type { Msg, Subscription } from '@nats-io/transport-node'
import type { Bus, BusEvents } from '../../hub/cluster.ts'
import { refused, unavailable } from '../../hub/cluster-error.ts'
import { historyEnvelope } from '../../hub/history-envelope.ts'
import { HistoryOrder } from './history-order.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { LinkedBus, NatsLink } from './nats-link.ts'
import { type NatsPlaces, placeHeader, readPlace } from './nats-places.ts'
import { channelSubject } from './nats-subjects.ts'

/** A channel that is subscribed to. */
interface Channel {
  readonly name: string
  readonly subject: string
  subscription: Subscription | null
  inForce: boolean
  /** Once something of a history was heard. */
  order: HistoryOrder | null
  waiting: { resolve: () => void; reject: (error: Error) => void }[]
}

/** Core subjects. What a history has kept comes from the server itself, under the same subject. */
export class NatsBus implements Bus, LinkedBus {
  events: BusEvents = { message() {}, down() {}, up() {} }
  readonly #link: NatsLink
  readonly #places: NatsPlaces
  readonly #channels = new Map<string, Channel>()
  #closed = false

  constructor(link: NatsLink, places: NatsPlaces) {
    this.#link = link
    this.#places = places
  }

  start(events: BusEvents, patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    this.events = events
    return this.#link.open(this, patience, this)
  }

  async publish(channel: string, payload: Uint8Array): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    await this.#link.connection.publish(this.#subject(channel), payload)
  }

  async subscribe(channel: string): Promise<void> {
    if (this.#closed) throw unavailable('the bus is closed')
    let wanted = this.#channels.get(channel)
    if (wanted?.inForce) return
    if (wanted === undefined) {
      const subject = channelSubject(this.#link.options.namespace, channel)
      wanted = { name: channel, subject, subscription: null, inForce: false, order: null, waiting: [] }
      this.#channels.set(channel, wanted)
      if (this.#link.up) void this.#enforce(wanted, this.#link.connection)
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    wanted.waiting.push({ resolve, reject })
    await promise
  }

  unsubscribe(channel: string): void {
    const known = this.#channels.get(channel)
    if (known === undefined) return
    this.#channels.delete(channel)
    known.subscription?.unsubscribe()
    known.order?.reset()
    // Nobody is interested in it any more, so nobody waits either.
    settle(known)
  }

  reconnect(reason: string): void {
    this.#link.reconnect(reason)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const channel of this.#channels.values()) {
      channel.subscription?.unsubscribe()
      channel.order?.reset()
      for (const { reject } of channel.waiting) reject(unavailable('the bus is closed'))
    }
    this.#channels.clear()
    this.#link.close(this)
  }

  async attach(connection: NatsConnection): Promise<void> {
    this.detach()
    // Also those that are asked for meanwhile.
    for (;;) {
      const missing = [...this.#channels.values()].filter(({ subscription }) => subscription === null)
      if (missing.length === 0) return
      for (const channel of missing) this.#listen(channel, connection)
      await connection.flush()
      const denied = missing.find(
        ({ name, subscription }) => subscription === null && this.#channels.has(name),
      )
      if (denied !== undefined) throw refused('NATS: not permitted to subscribe')
    }
  }

  stand(): void {
    for (const channel of this.#channels.values()) {
      channel.inForce = true
      settle(channel)
    }
  }

  detach(): void {
    for (const channel of this.#channels.values()) {
      channel.subscription = null
      channel.inForce = false
      channel.order?.reset()
    }
  }

  async #enforce(channel: Channel, connection: NatsConnection): Promise<void> {
    const subscription = this.#listen(channel, connection)
    try {
      await connection.flush()
    } catch {
      // The connection is lost: it is put in force at the next one.
      return
    }
    if (channel.subscription !== subscription) return
    channel.inForce = true
    settle(channel)
  }

  #listen(channel: Channel, connection: NatsConnection): Subscription {
    const subscription = connection.subscribe(channel.subject, (error, message) => {
      if (channel.subscription !== subscription) return
      if (error === null) this.#hear(channel, message)
      else this.#deny(channel)
    })
    channel.subscription = subscription
    return subscription
  }

  #hear(channel: Channel, message: Msg): void {
    const { name } = channel
    const { data, headers } = message
    const place = headers === undefined ? null : readPlace(headers.get(placeHeader))
    if (place === null) {
      this.events.message(name, data)
      return
    }
    this.#places.heard(name, place, Number(headers?.get('Nats-Sequence')))
    channel.order ??= new HistoryOrder((position, payload) =>
      this.events.message(name, historyEnvelope(position, payload)),
    )
    channel.order.hear(place, data)
  }

  /** A running bus gives up the channel; one that connects does not stand without it. */
  #deny(channel: Channel): void {
    this.#link.options.log.warn({ channel: channel.name }, 'NATS does not permit to subscribe')
    channel.subscription = null
    if (!this.#link.up) return
    this.#channels.delete(channel.name)
    const { waiting } = channel
    channel.waiting = []
    for (const { reject } of waiting) reject(refused('NATS: not permitted to subscribe'))
  }

  #subject(channel: string): string {
    return this.#channels.get(channel)?.subject ?? channelSubject(this.#link.options.namespace, channel)
  }
}

function settle(channel: Channel): void {
  const { waiting } = channel
  channel.waiting = []
  for (const { resolve } of waiting) resolve()
}
