import { unavailable } from '../../hub/cluster-error.ts'
import type { LeaseStore, StoredCell } from '../../hub/leases/stored-leases.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { NatsLink } from './nats-link.ts'
import type { NatsStreams, StoredMessage } from './nats-streams.ts'
import { nodeSubject } from './nats-subjects.ts'

/** An entry that nobody has written for so long is gone; one that is missing counts as expired anyway. */
const keepFor = 60 * 60 * 1000
/** Messages that are fetched at once. */
const together = 64
/** When more have been written since the last look, the subjects are listed instead. */
const maxBehind = 512

const decoder = new TextDecoder()

/** What is left of an entry that was removed: its incarnation. */
const removed = /^removed (\d{1,16})$/

/**
 * A stream with the last message of each node. A write names the message that it follows, and the server refuses it
 * when another came between.
 *
 * A look asks for the last sequence and fetches what was written since. That costs as many messages as pushing them
 * would, and cannot fall behind without noticing. It asks the stream's leader: a copy may be late, and late beats
 * would look like silence.
 */
export class NatsLeases implements LeaseStore {
  readonly #link: NatsLink
  readonly #streams: NatsStreams
  readonly #name: string
  #ensuredFor: NatsConnection | null = null
  #closed = false
  /** The last message of each subject up to the sequence `#seen`, in the stream that was created at `#created`. */
  #texts = new Map<string, string>()
  #seen = 0
  #created = ''

  constructor(link: NatsLink, streams: NatsStreams) {
    this.#link = link
    this.#streams = streams
    this.#name = `${link.options.namespace}_nodes`
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience)
  }

  async read(id: string): Promise<StoredCell> {
    const found = await this.#in(() => this.#streams.get(this.#name, { last_by_subj: this.#subject(id) }))
    // A stream may lose its memory and count from 1 again, so incarnations begin with the time. It is not compared
    // with anybody's: what is there, or was removed within the last hour, counts on from its own.
    const now = Date.now()
    if (found === null) return { text: null, revision: 0, floor: now }
    const [, incarnation] = removed.exec(decoder.decode(found.data)) ?? []
    const floor = incarnation === undefined ? now : Math.max(now, Number(incarnation) + 1)
    return { text: textOf(found), revision: found.sequence, floor }
  }

  async write(id: string, text: string, revision: number): Promise<number | null> {
    return this.#in(() => this.#streams.append(this.#subject(id), text, revision))
  }

  async remove(id: string, revision: number, incarnation: number): Promise<void> {
    await this.#in(() => this.#streams.append(this.#subject(id), `removed ${incarnation}`, revision))
  }

  list(): Promise<readonly string[]> {
    return this.#in(() => this.#look())
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.close(this)
  }

  async #look(): Promise<readonly string[]> {
    const info = await this.#streams.info(this.#name)
    if (info === null) throw unavailable('JetStream has lost the nodes')
    const { created, state } = info
    const behind = state.last_seq - this.#seen
    if (created !== this.#created || behind < 0 || behind > maxBehind) await this.#reload()
    else {
      const missed = Array.from({ length: behind }, (_, index) => ({ seq: this.#seen + 1 + index }))
      await this.#fetch(missed)
      this.#seen = state.last_seq
    }
    return [...this.#texts.values()]
  }

  async #reload(): Promise<void> {
    const info = await this.#streams.info(this.#name, true)
    if (info === null) throw unavailable('JetStream has lost the nodes')
    this.#texts = new Map()
    await this.#fetch(Object.keys(info.state.subjects ?? {}).map((subject) => ({ last_by_subj: subject })))
    this.#created = info.created
    this.#seen = info.state.last_seq
  }

  async #fetch(wanted: readonly ({ seq: number } | { last_by_subj: string })[]): Promise<void> {
    for (let from = 0; from < wanted.length; from += together) {
      const part = wanted.slice(from, from + together)
      const found = await Promise.all(part.map((what) => this.#streams.get(this.#name, what)))
      for (const message of found) {
        // What is missing was written again since: that one comes later, or with the next look.
        if (message === null) continue
        const text = textOf(message)
        if (text === null) this.#texts.delete(message.subject)
        else this.#texts.set(message.subject, text)
      }
    }
  }

  /** With the stream, which is made once for each connection and after every failure: servers may have lost it. */
  async #in<T>(work: () => Promise<T>): Promise<T> {
    try {
      await this.#ensure()
      return await work()
    } catch (error) {
      this.#ensuredFor = null
      throw error
    }
  }

  async #ensure(): Promise<void> {
    const { connection } = this.#link
    if (this.#ensuredFor === connection) return
    await this.#streams.create({
      name: this.#name,
      subjects: [nodeSubject(this.#link.options.namespace, '*')],
      max_msgs_per_subject: 1,
      max_age: Math.max(keepFor, this.#link.options.lease.dead * 10) * 1_000_000,
    })
    this.#ensuredFor = connection
  }

  #subject(id: string): string {
    return nodeSubject(this.#link.options.namespace, id)
  }
}

function textOf({ data }: StoredMessage): string | null {
  const text = decoder.decode(data)
  return removed.test(text) ? null : text
}
