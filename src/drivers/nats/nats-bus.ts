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
  /** The connection that is in use. */
  #standing: NatsConnection | null = null
  /** The one at which subscriptions are being made. */
  #bringing: NatsConnection | null = null
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
      this.#bringRest()
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
    await this.#bring(connection)
  }

  stand(connection: NatsConnection): void {
    this.#standing = connection
    for (const channel of this.#channels.values()) if (channel.subscription !== null) enforce(channel)
    // Those that were asked for since `attach` has looked.
    this.#bringRest()
  }

  detach(): void {
    this.#standing = null
    for (const channel of this.#channels.values()) {
      channel.subscription = null
      channel.inForce = false
      channel.order?.reset()
    }
  }

  #bringRest(): void {
    if (this.#standing === null || this.#bringing === this.#standing) return
    // A connection that is lost meanwhile: they are put in force at the next one.
    this.#bring(this.#standing).catch(() => {})
  }

  /** Subscribes to every channel that has no subscription yet, also to those that are asked for meanwhile. */
  async #bring(connection: NatsConnection): Promise<void> {
    this.#bringing = connection
    try {
      while (this.#bringing === connection) {
        const missing = [...this.#channels.values()].filter(({ subscription }) => subscription === null)
        if (missing.length === 0) return
        await this.#put(missing, connection)
      }
    } finally {
      if (this.#bringing === connection) this.#bringing = null
    }
  }

  /**
   * One lot at a time, so that an error which names no subject (too many subscriptions) is one of this lot. Of which
   * channel, is found out by halves.
   */
  async #put(lot: readonly Channel[], connection: NatsConnection): Promise<void> {
    const wanted = lot.filter((channel) => this.#channels.get(channel.name) === channel)
    if (wanted.length === 0) return
    for (const channel of wanted) this.#listen(channel, connection)
    const objection = await connection.objection()
    if (this.#bringing !== connection) return
    if (objection === null) {
      if (this.#standing !== connection) return
      for (const channel of wanted) if (channel.subscription !== null) enforce(channel)
      return
    }
    if (wanted.length === 1) {
      this.#refuse(wanted[0] as Channel, objection)
      return
    }
    for (const channel of wanted) {
      channel.subscription?.unsubscribe()
      channel.subscription = null
    }
    const half = Math.ceil(wanted.length / 2)
    await this.#put(wanted.slice(0, half), connection)
    await this.#put(wanted.slice(half), connection)
  }

  #listen(channel: Channel, connection: NatsConnection): void {
    const subscription = connection.subscribe(channel.subject, (error, message) => {
      if (channel.subscription !== subscription) return
      if (error === null) this.#hear(channel, message)
      else if (channel.inForce) this.#link.reconnect('NATS has withdrawn the permission for a channel')
      else this.#refuse(channel, 'not permitted to subscribe')
    })
    channel.subscription = subscription
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

  /** One channel is given up, the others go on. Whoever still wants it has to ask again. */
  #refuse(channel: Channel, why: string): void {
    if (this.#channels.get(channel.name) !== channel) return
    this.#link.options.log.warn({ channel: channel.name, why }, 'NATS refuses a subscription')
    this.#channels.delete(channel.name)
    channel.subscription?.unsubscribe()
    channel.subscription = null
    const { waiting } = channel
    channel.waiting = []
    for (const { reject } of waiting) reject(refused(`NATS: ${why}`))
  }

  #subject(channel: string): string {
    return this.#channels.get(channel)?.subject ?? channelSubject(this.#link.options.namespace, channel)
  }
}

function enforce(channel: Channel): void {
  channel.inForce = true
  settle(channel)
}

function settle(channel: Channel): void {
  const { waiting } = channel
  channel.waiting = []
  for (const { resolve } of waiting) resolve()
}
