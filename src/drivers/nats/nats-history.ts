import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  HistoryLimits,
  HistoryMessage,
  HistorySlice,
  HistoryStore,
  Position,
} from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { NatsLink } from './nats-link.ts'
import {
  type HistoryPlace,
  type HistoryTop,
  type NatsPlaces,
  placeAfter,
  placeHeader,
  readPlace,
  writePlace,
} from './nats-places.ts'
import type { NatsStreams, StreamSettings } from './nats-streams.ts'
import { clockSubject, historySubject } from './nats-subjects.ts'

/** Appends that others come before again and again are given up after so long: none of them was taken. */
const contendedFor = 5_000

/**
 * Of what waits in one room until it is its turn, as each append is a round trip: more than that is rejected at once.
 * Each message counts so much more than its size, so that small ones do not wait for long.
 */
const maxWaiting = 4 * 1024 * 1024
const overhead = 1024

/** What is appended to a room, one after the other. */
interface Line {
  /** The last append that is under way. */
  tail: Promise<unknown>
  bytes: number
}

/** A message as it is kept. */
interface Entry extends HistoryTop {
  readonly payload: Uint8Array
  /** When the server took it, in milliseconds of its clock. */
  readonly at: number
}

/**
 * One stream for all rooms, a subject for each. Whoever appends says which message it follows, and the server refuses
 * it when another came between: so offsets are contiguous. What is kept is published by the server itself under the
 * subject of the channel (`republish`): so what is heard is kept, and what was refused is not heard.
 *
 * The stream keeps what the largest room keeps, a hundred times as long, for every room, so that epochs and offsets
 * outlive their messages; what a room does not keep is left out when it is read.
 */
export class NatsHistory implements HistoryStore {
  readonly #link: NatsLink
  readonly #streams: NatsStreams
  readonly #places: NatsPlaces
  readonly #name: string
  /** Rooms with appends under way. */
  readonly #lines = new Map<string, Line>()
  #ensured: { connection: NatsConnection; settings: StreamSettings } | null = null
  /** What the server's clock shows when ours shows 0: what is too old is judged by the server's. */
  #timeAtZero = 0
  #closed = false

  constructor(link: NatsLink, streams: NatsStreams, places: NatsPlaces) {
    this.#link = link
    this.#streams = streams
    this.#places = places
    this.#name = `${link.options.namespace}_history`
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience)
  }

  async append(channel: string, payload: Uint8Array, limits: HistoryLimits): Promise<Position> {
    if (this.#closed) throw unavailable('closed')
    // What was asked for while connected is not done at a later connection.
    const { connection } = this.#link
    const line = this.#lines.get(channel) ?? { tail: Promise.resolve(), bytes: 0 }
    const size = payload.length + overhead
    if (line.bytes > 0 && line.bytes + size > maxWaiting)
      throw unavailable('more is appended to this room than NATS takes')
    line.bytes += size
    this.#lines.set(channel, line)
    const mine = this.#after(line.tail, () => this.#append(connection, channel, payload, limits))
    line.tail = mine
    try {
      return await mine
    } finally {
      line.bytes -= size
      if (line.bytes === 0) this.#lines.delete(channel)
    }
  }

  async read(channel: string, since: Position | null, limit: number): Promise<HistorySlice> {
    if (this.#closed) throw unavailable('closed')
    try {
      return await this.#read(channel, since, limit)
    } catch (error) {
      // The stream may be what is missing.
      this.#ensured = null
      throw error
    }
  }

  async #read(channel: string, since: Position | null, limit: number): Promise<HistorySlice> {
    await this.#ensure({ size: 1, age: 60_000 })
    const last = await this.#begun(channel)
    const isNew = since === null || (since.epoch === last.epoch && since.offset >= last.offset)
    if (limit <= 0 || last.offset === 0 || (isNew && since !== null)) return slice(last, [], since, limit)
    const { epoch, offset, size } = last
    const most = since === null ? Math.min(size, limit) : size
    const after = since?.epoch === epoch ? since.offset : 0
    return slice(last, await this.#kept(last, Math.max(offset - most, after)), since, limit)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.close(this)
  }

  async #after<T>(before: Promise<unknown>, work: () => Promise<T>): Promise<T> {
    await before.catch(() => {})
    return work()
  }

  async #append(
    connection: NatsConnection,
    channel: string,
    payload: Uint8Array,
    limits: HistoryLimits,
  ): Promise<Position> {
    const [size, age] = [Math.ceil(limits.size), Math.ceil(limits.age)]
    const givenUpAt = performance.now() + contendedFor
    for (let attempt = 0; performance.now() < givenUpAt; attempt++) {
      if (this.#closed || !this.#link.up || this.#link.connection !== connection)
        throw unavailable('not connected to NATS')
      await this.#ensure({ size, age })
      const last = this.#places.get(channel) ?? (await this.#last(channel))
      const place = placeAfter(last, newEpoch(), { size, age })
      const sequence = await this.#write(channel, payload, last?.sequence ?? 0, place)
      if (sequence !== null) {
        this.#places.set(channel, { ...place, sequence })
        return { epoch: place.epoch, offset: place.offset }
      }
      this.#places.forget(channel)
      // Others write there as well: let one of us go ahead.
      if (attempt > 2) await sleep(Math.random() * Math.min(attempt, 20))
    }
    throw unavailable('others append to this room all the time')
  }

  /** What is unknown afterwards is not compared with again. */
  async #write(
    channel: string,
    payload: Uint8Array,
    last: number,
    place: HistoryPlace,
  ): Promise<number | null> {
    const header = { [placeHeader]: writePlace(place) }
    try {
      return await this.#streams.append(this.#subject(channel), payload, last, header)
    } catch (error) {
      this.#places.forget(channel)
      this.#ensured = null
      throw error
    }
  }

  /** The last entry of a room, which begins now if it has none. */
  async #begun(channel: string): Promise<Entry> {
    for (;;) {
      const last = await this.#last(channel)
      if (last !== null) return last
      const place = { epoch: newEpoch(), offset: 0, size: 1, age: 60_000, before: [] }
      const sequence = await this.#write(channel, new Uint8Array(), 0, place)
      if (sequence !== null) return { ...place, sequence, payload: new Uint8Array(), at: 0 }
    }
  }

  #last(channel: string): Promise<Entry | null> {
    return this.#entry({ last_by_subj: this.#subject(channel) })
  }

  async #entry(what: { readonly seq: number } | { readonly last_by_subj: string }): Promise<Entry | null> {
    const found = await this.#streams.get(this.#name, what)
    if (found === null) return null
    const { sequence, data, at } = found
    // What somebody else has written there is followed by a new epoch.
    const foreign = { epoch: newEpoch(), offset: 0, size: 1, age: 1, before: [] }
    return { ...(readPlace(found.header(placeHeader)) ?? foreign), sequence, payload: data, at }
  }

  /** What the room keeps from the offset after `after` on, oldest first, without a hole. */
  async #kept(last: Entry, after: number): Promise<HistoryMessage[]> {
    const tooOld = this.#timeAtZero + performance.now() - last.age
    const newestFirst: HistoryMessage[] = []
    let batch: readonly (Entry | null)[] = [last]
    for (;;) {
      for (const entry of batch) {
        const offset = last.offset - newestFirst.length
        if (offset <= after || entry === null || entry.at <= tooOld) return newestFirst.reverse()
        if (entry.epoch !== last.epoch || entry.offset !== offset) return newestFirst.reverse()
        newestFirst.push({ offset, payload: entry.payload })
      }
      const wanted = last.offset - newestFirst.length - after
      const before = batch.at(-1)?.before.slice(0, wanted) ?? []
      if (before.length === 0) return newestFirst.reverse()
      batch = await Promise.all(before.map((seq) => this.#entry({ seq })))
    }
  }

  /** Once for each connection, and when a room keeps more than any before. */
  async #ensure({ size, age }: HistoryLimits): Promise<void> {
    const { connection } = this.#link
    const { namespace } = this.#link.options
    // Nanoseconds in 63 bits.
    const maxAge = Math.min(age * 100 * 1_000_000, 9e18)
    if (this.#ensured?.connection !== connection) this.#places.clear()
    const known = this.#ensured?.connection === connection ? this.#ensured.settings : null
    if (known !== null && known.max_msgs_per_subject >= size && known.max_age >= maxAge) return
    let settings: StreamSettings = {
      name: this.#name,
      subjects: [historySubject(namespace, '').concat('*'), clockSubject(namespace)],
      max_msgs_per_subject: size,
      max_age: maxAge,
      republish: { src: `${namespace}.h.*`, dest: `${namespace}.c.{{wildcard(1)}}` },
    }
    await this.#streams.create(settings)
    const there = (await this.#streams.info(this.#name))?.config ?? settings
    if (there.max_msgs_per_subject < size || there.max_age < maxAge) {
      settings = {
        ...there,
        max_msgs_per_subject: Math.max(there.max_msgs_per_subject, size),
        max_age: Math.max(there.max_age, maxAge),
      }
      await this.#streams.update(settings)
    } else settings = there
    if (known === null) await this.#learnTime()
    this.#ensured = { connection, settings }
  }

  async #learnTime(): Promise<void> {
    const subject = clockSubject(this.#link.options.namespace)
    await this.#streams.append(subject, '', null)
    const now = performance.now()
    const message = await this.#streams.get(this.#name, { last_by_subj: subject })
    this.#timeAtZero = (message?.at ?? Date.now()) - now
  }

  #subject(channel: string): string {
    return historySubject(this.#link.options.namespace, channel)
  }
}

function slice(
  { epoch, offset }: Position,
  kept: readonly HistoryMessage[],
  since: Position | null,
  limit: number,
): HistorySlice {
  const top = { epoch, offset }
  if (since === null) return { top, messages: limit > 0 ? kept.slice(-limit) : [], complete: true }
  // Of another epoch the place means nothing: its oldest are what there is.
  const same = since.epoch === epoch
  const messages = kept.filter((message) => !same || message.offset > since.offset).slice(0, limit)
  const next = messages[0]?.offset ?? offset + 1
  const last = messages.at(-1)?.offset ?? since.offset
  return { top, messages, complete: same && next === since.offset + 1 && last === offset }
}

function newEpoch(): string {
  return randomBytes(9).toString('base64url')
}
