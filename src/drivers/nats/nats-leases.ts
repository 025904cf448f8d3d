import { JetStreamApiError, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { refused, unavailable } from '../../hub/cluster-error.ts'
import type { Changed, Revisioned, RevisionStore } from '../../hub/leases/revision-leases.ts'
import type { NatsLink } from './nats-link.ts'

/** JetStream's own words for "somebody else wrote meanwhile". */
const wrongLastSequence = 10_071

type Manager = Awaited<ReturnType<typeof jetstreamManager>>

/**
 * A JetStream stream with one subject for each node, of which the last message counts; its sequence number is the
 * revision. An empty message stands for a removed one until it is purged.
 */
export class NatsLeaseStore implements RevisionStore {
  readonly #link: NatsLink
  readonly #stream: string
  readonly #subject: string
  #manager: { readonly connection: object; readonly manager: Promise<Manager> } | null = null

  constructor(link: NatsLink, namespace: string) {
    this.#link = link
    this.#stream = `${namespace}-nodes`
    this.#subject = `${namespace}.nodes.`
  }

  start(patience: number): Promise<void> {
    return this.#link.open(this, patience)
  }

  async list(): Promise<readonly Revisioned[]> {
    const { state } = await this.#ask((manager) =>
      manager.streams.info(this.#stream, { subjects_filter: `${this.#subject}>` }),
    )
    const keys = Object.keys(state.subjects ?? {})
    const found = await Promise.all(keys.map((subject) => this.#last(subject)))
    return found.filter((entry) => entry !== null && entry.value !== '') as Revisioned[]
  }

  async get(key: string): Promise<{ readonly entry: Revisioned | null; readonly revision: number }> {
    const last = await this.#last(this.#subject + key)
    const { state } = await this.#ask((manager) => manager.streams.info(this.#stream))
    // One that was removed and not purged yet has a revision to compare with, and nothing in it.
    return { entry: last, revision: state.last_seq }
  }

  async change(key: string, revision: number, value: string | null): Promise<Changed> {
    const subject = this.#subject + key
    try {
      const { seq } = await this.#ask(() =>
        jetstream(this.#link.connection, { timeout: 2_500 }).publish(subject, value ?? '', {
          expect: { streamName: this.#stream, lastSubjectSequence: revision },
        }),
      )
      // Only what was written up to then: a lease that was taken meanwhile stays.
      if (value === null) {
        await this.#ask((manager) => manager.streams.purge(this.#stream, { filter: subject, seq: seq + 1 }))
      }
      return { done: true, revision: seq }
    } catch (error) {
      const cause = error instanceof Error ? error.cause : null
      if (!(cause instanceof JetStreamApiError) || cause.code !== wrongLastSequence) throw error
      return { done: false, entry: await this.#last(subject) }
    }
  }

  async close(): Promise<void> {
    this.#link.close(this)
  }

  async #last(subject: string): Promise<Revisioned | null> {
    const message = await this.#ask((manager) =>
      manager.streams.getMessage(this.#stream, { last_by_subj: subject }),
    )
    return message === null ? null : { value: message.string(), revision: message.seq }
  }

  async #ask<T>(work: (manager: Manager) => Promise<T>): Promise<T> {
    const { connection } = this.#link
    try {
      if (this.#manager?.connection !== connection) this.#manager = { connection, manager: this.#prepare() }
      return await work(await this.#manager.manager)
    } catch (error) {
      this.#manager = null
      if (error instanceof JetStreamApiError) throw refused(`JetStream: ${error.message}`, error)
      throw unavailable('JetStream does not answer', error)
    }
  }

  async #prepare(): Promise<Manager> {
    const manager = await jetstreamManager(this.#link.connection, { timeout: 2_500 })
    // The same for every node, so that whoever is second finds it made.
    await manager.streams.add({
      name: this.#stream,
      subjects: [`${this.#subject}>`],
      max_msgs_per_subject: 1,
      storage: StorageType.File,
    })
    return manager
  }
}
