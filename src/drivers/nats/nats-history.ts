import { randomBytes } from 'node:crypto'
import {
  type Consumer,
  DeliverPolicy,
  JetStreamApiError,
  jetstream,
  jetstreamManager,
  StorageType,
} from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import type {
  HistoryLimits,
  HistoryMessage,
  HistorySlice,
  HistoryStore,
  Position,
} from '../../hub/cluster.ts'
import { refused, unavailable, uncertain } from '../../hub/cluster-error.ts'
import { historyEnvelope, readHistoryEnvelope } from '../../hub/history-envelope.ts'
import type { NatsLink } from './nats-link.ts'

const wrongLastSequence = 10_071
/** Times that an append is tried while others append to the same room. */
const attempts = 200
/** Rooms whose last message is remembered, so that an append is one request. */
const maxKnown = 10_000

type Manager = Awaited<ReturnType<typeof jetstreamManager>>

/** The last message of a room. */
interface Last {
  readonly sequence: number
  readonly position: Position
}

/**
 * One stream for all rooms, which the server publishes on again once it has stored them: so nobody hears what was not
 * kept. The payload carries the position, and every write is compared with the sequence of the last message of the
 * room, so that two nodes never give the same offset. The last message of a room is kept for its position, whatever
 * its age.
 */
export class NatsHistory implements HistoryStore {
  readonly #link: NatsLink
  readonly #stream: string
  readonly #namespace: string
  readonly #known = new Map<string, Last>()
  /** The end of what waits to be appended, room by room, so that a node never competes with itself. */
  readonly #queues = new Map<string, Promise<unknown>>()
  #manager: { readonly connection: object; readonly manager: Promise<Manager> } | null = null
  #closed = false

  constructor(link: NatsLink, namespace: string) {
    this.#link = link
    this.#namespace = namespace
    this.#stream = `${namespace}-history`
  }

  async start(patience: number): Promise<void> {
    if (this.#closed) throw unavailable('closed')
    await this.#link.open(this, patience)
  }

  append(channel: string, payload: Uint8Array, limits: HistoryLimits): Promise<Position> {
    const subject = this.#subjectOf(channel)
    const copy = payload.slice()
    const before = this.#queues.get(subject) ?? Promise.resolve()
    const done = before.then(
      () => this.#append(subject, copy, limits),
      () => this.#append(subject, copy, limits),
    )
    const settled = done.catch(() => {})
    this.#queues.set(subject, settled)
    void settled.then(() => {
      if (this.#queues.get(subject) === settled) this.#queues.delete(subject)
    })
    return done
  }

  async read(channel: string, since: Position | null, limit: number): Promise<HistorySlice> {
    const subject = this.#subjectOf(channel)
    const top = (await this.#last(subject)) ?? (await this.#begin(subject))
    const { epoch } = top.position
    const kept = top.position.offset === 0 ? [] : await this.#all(subject, top)
    if (since === null) {
      return { top: top.position, messages: limit === 0 ? [] : kept.slice(-limit), complete: true }
    }
    const same = since.epoch === epoch
    const messages = kept.filter(({ offset }) => !same || offset > since.offset)
    const first = messages[0]?.offset ?? top.position.offset + 1
    const complete = same && first === since.offset + 1 && messages.length <= limit
    return { top: top.position, messages: messages.slice(0, limit), complete }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#link.close(this)
  }

  async #append(subject: string, payload: Uint8Array, { size, age }: HistoryLimits): Promise<Position> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const last = this.#known.get(subject) ?? (await this.#last(subject)) ?? (await this.#begin(subject))
      const position = { epoch: last.position.epoch, offset: last.position.offset + 1 }
      const sequence = await this.#put(subject, last.sequence, position, payload, { size, age })
      if (sequence === null) continue
      this.#remember(subject, { sequence, position })
      // Now and then what is over the size is removed.
      if (position.offset % Math.max(1, Math.ceil(size / 4)) === 0) {
        await this.#ask((manager) =>
          manager.streams.purge(this.#stream, { filter: subject, keep: Math.max(1, size) }),
        ).catch(() => {})
      }
      return position
    }
    throw unavailable('others append to the room all the time')
  }

  /** Null when somebody else wrote meanwhile. */
  async #put(
    subject: string,
    sequence: number,
    position: Position,
    payload: Uint8Array,
    { size, age }: HistoryLimits,
  ): Promise<number | null> {
    const connection = this.#connection()
    try {
      const { seq } = await jetstream(connection, { timeout: 5_000 }).publish(
        subject,
        historyEnvelope(position, payload),
        {
          headers: headersOf({ size, age }),
          expect: { streamName: this.#stream, lastSubjectSequence: sequence },
        },
      )
      return seq
    } catch (error) {
      this.#known.delete(subject)
      if (!(error instanceof JetStreamApiError)) throw uncertain('the connection to NATS broke', error)
      if (error.code === wrongLastSequence) return null
      throw refused(`JetStream: ${error.message}`, error)
    }
  }

  /** Gives a room an epoch, with a message that is none. */
  async #begin(subject: string): Promise<Last> {
    const position = { epoch: randomBytes(9).toString('base64url'), offset: 0 }
    const sequence = await this.#put(subject, 0, position, new Uint8Array(), { size: 1, age: 0 })
    if (sequence !== null) return { sequence, position }
    const last = await this.#last(subject)
    if (last === null) throw unavailable('the room was removed meanwhile')
    return last
  }

  async #last(subject: string): Promise<Last | null> {
    const message = await this.#ask((manager) =>
      manager.streams.getMessage(this.#stream, { last_by_subj: subject }),
    )
    const placed = message === null ? null : readPlaced(message.data)
    if (message === null || placed === null) return null
    const last = { sequence: message.seq, position: placed.position }
    this.#remember(subject, last)
    return last
  }

  /** What there is of a room up to its last message, as its limits want it. */
  async #all(subject: string, top: Last): Promise<HistoryMessage[]> {
    const messages: HistoryMessage[] = []
    let limits: { readonly size: number; readonly age: number } = { size: 0, age: 0 }
    const times: number[] = []
    await this.#ask(async () => {
      const consumer: Consumer = await jetstream(this.#link.connection, { timeout: 2_500 }).consumers.get(
        this.#stream,
        { filter_subjects: subject, deliver_policy: DeliverPolicy.All },
      )
      const { num_pending: pending } = await consumer.info()
      const fetched = await consumer.fetch({ max_messages: Math.max(1, pending), expires: 2_500 })
      for await (const message of fetched) {
        const placed = readPlaced(message.data)
        if (placed !== null && placed.position.epoch === top.position.epoch && placed.position.offset > 0) {
          messages.push({ offset: placed.position.offset, payload: placed.payload })
          times.push(message.time.getTime())
          limits = { size: Number(message.headers?.get('size')), age: Number(message.headers?.get('age')) }
        }
        if (message.seq >= top.sequence) break
      }
      await consumer.delete()
    })
    const oldest = Date.now() - limits.age
    const kept = messages.filter((_, index) => (times[index] as number) > oldest)
    return kept.slice(-limits.size)
  }

  #remember(subject: string, last: Last): void {
    this.#known.delete(subject)
    this.#known.set(subject, last)
    if (this.#known.size <= maxKnown) return
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }

  #subjectOf(channel: string): string {
    return this.#link.subjectOf(channel).replace(/^([^.]+)\.c\./, '$1.h.')
  }

  #connection() {
    if (this.#closed) throw unavailable('closed')
    return this.#link.connection
  }

  async #ask<T>(work: (manager: Manager) => Promise<T>): Promise<T> {
    const connection = this.#connection()
    try {
      if (this.#manager?.connection !== connection) {
        // The server may have lost what this node remembers.
        this.#known.clear()
        this.#manager = { connection, manager: this.#prepare() }
      }
      return await work(await this.#manager.manager)
    } catch (error) {
      this.#manager = null
      if (error instanceof JetStreamApiError) throw refused(`JetStream: ${error.message}`, error)
      throw unavailable('JetStream does not answer', error)
    }
  }

  async #prepare(): Promise<Manager> {
    const manager = await jetstreamManager(this.#link.connection, { timeout: 2_500 })
    await manager.streams.add({
      name: this.#stream,
      subjects: [`${this.#namespace}.h.>`],
      storage: StorageType.File,
      republish: { src: `${this.#namespace}.h.>`, dest: `${this.#namespace}.c.>` },
    })
    return manager
  }
}

function headersOf({ size, age }: HistoryLimits) {
  const fields = headers()
  fields.set('size', `${size}`)
  fields.set('age', `${age}`)
  return fields
}

/** As `readHistoryEnvelope`, and with the message at offset 0 that gives a room its epoch. */
function readPlaced(bytes: Uint8Array) {
  const placed = readHistoryEnvelope(bytes)
  if (placed !== null || bytes[0] !== 0x48) return placed
  const epoch = new TextDecoder().decode(bytes.subarray(2, 2 + (bytes[1] ?? 0)))
  return { position: { epoch, offset: 0 }, payload: new Uint8Array() }
}
