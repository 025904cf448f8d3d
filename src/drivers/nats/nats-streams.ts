import { setTimeout as sleep } from 'node:timers/promises'
import type { Msg } from '@nats-io/transport-node'
import { FairleadError } from '../../core/errors.ts'
import { refused, unavailable, uncertain } from '../../hub/cluster-error.ts'
import { type NatsConnection, wasNotHeard } from './nats-connection.ts'
import type { NatsLink } from './nats-link.ts'

/**
 * The part of JetStream's wire API that is needed here, as servers from 2.9 on speak it: JSON over request and reply.
 * Messages are not repeated once a server may have taken them, so that whoever appends knows what happened.
 */

const api = '$JS.API'

/** Error codes of JetStream. */
const streamNotFound = 10_059
const nameInUse = 10_058
const subjectsInUse = 10_065
/**
 * The last sequence is another one; from 2.11 on also: a message of this subject is just being replicated; a message
 * with this id is. In each case this one was not kept, and what is there has to be read again.
 */
const wrongLastSequence = new Set([10_071, 10_164, 10_158])
/** The account may not keep more for now. */
const accountFull = 10_002
/**
 * What is said before anything is kept: no quorum, no resources, no storage, no JetStream. After every other failure of
 * a server, a message may be kept all the same: by the other servers.
 */
const notKept = new Set([accountFull, 10_008, 10_023, 10_028, 10_039, 10_047, 10_076])

/**
 * For how long a server remembers what has followed what, in nanoseconds: longer than it takes from the check of a
 * leader until a message is kept by the others.
 */
const idsKept = 10 * 1e9

/**
 * For how long a message is offered to a stream that nobody stands for: of several servers, those that do not lead it
 * hear of the one that does a moment after it was made.
 */
const offeredFor = 1_000
const offerEvery = 25

/**
 * For how long an answer is waited for, each time that a question is asked. What only asks, or may be said twice, is said
 * again: of several servers none answers while a stream is being made, or has just lost the server that led it.
 */
const answersWithin = [250, 500, 1_000, 2_000, 2_000]

/**
 * After how long a server that has come to lead the others knows what streams there are. Until then it says that there is
 * none, and makes one that it is told to make a second time, in place of the first: 2.9 then leaves a stream that takes
 * no message any more.
 */
const knownAfter = 500

/** For how long a stream is made again whose subjects are in use, though there is none of its name. */
const madeFor = 1_000
const madeEvery = 25

/** Settings of a stream; times are nanoseconds. */
export interface StreamSettings {
  readonly name: string
  readonly subjects: readonly string[]
  readonly max_msgs_per_subject: number
  readonly max_age: number
  readonly republish?: { readonly src: string; readonly dest: string }
  readonly num_replicas?: number
  readonly storage?: string
}

export interface StreamInfo {
  readonly created: string
  readonly config: StreamSettings
  readonly state: {
    readonly last_seq: number
    /** Only when asked for: how many messages each subject has. */
    readonly subjects?: Readonly<Record<string, number>>
  }
}

export interface StoredMessage {
  readonly subject: string
  readonly sequence: number
  /** One header; empty when there is none. */
  readonly header: (name: string) => string
  readonly data: Uint8Array
  /** When the server took it, in milliseconds of its clock. */
  readonly at: number
}

interface RawMessage {
  readonly subject: string
  readonly seq: number
  readonly hdrs?: string
  readonly data?: string
  readonly time: string
}

interface Answer {
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string }
}

const decoder = new TextDecoder()

export class NatsStreams {
  readonly #link: NatsLink
  /** Streams of which it has been said that they are not as the options want them. */
  readonly #differing = new Set<string>()

  constructor(link: NatsLink) {
    this.#link = link
  }

  /** Null when there is no such stream. */
  async info(name: string, subjects = false): Promise<StreamInfo | null> {
    const filter = subjects ? { subjects_filter: '>' } : {}
    return this.#ask<StreamInfo>(`STREAM.INFO.${name}`, filter, streamNotFound)
  }

  /** Makes it. One that is there stays as it is, which is said when it is kept otherwise than the options want it. */
  async create(settings: StreamSettings): Promise<void> {
    const { name } = settings
    if (await this.#isThere(name)) return
    const { replicas, storage } = this.#link.place
    const fixed = { retention: 'limits', discard: 'old', duplicate_window: idsKept }
    const all = { ...fixed, storage, num_replicas: replicas, ...settings }
    for (const givenUpAt = performance.now() + madeFor; ; await sleep(madeEvery)) {
      const { error } = parsed(await this.#insist(`${api}.STREAM.CREATE.${name}`, JSON.stringify(all)))
      if (error === undefined) return
      // Of two that make one stream at once, a server may tell the later that its subjects are in use.
      const mayBeThere = error.err_code === nameInUse || error.err_code === subjectsInUse
      if (!mayBeThere) throw failed(error)
      const info = await this.info(name)
      if (info !== null) return this.#compare(info.config)
      if (error.err_code === nameInUse) return
      if (performance.now() > givenUpAt) throw refused(`${textOf(error)}, for the stream ${name}`)
    }
  }

  async #isThere(name: string): Promise<boolean> {
    let info = await this.info(name)
    if (info === null && this.#link.connection.ofSeveral) {
      await sleep(knownAfter)
      info = await this.info(name)
    }
    if (info !== null) this.#compare(info.config)
    return info !== null
  }

  #compare(there: StreamSettings): void {
    const { name } = there
    const { replicas, storage } = this.#link.place
    if (this.#differing.has(name)) return
    if (there.num_replicas === replicas && there.storage === storage) return
    this.#differing.add(name)
    this.#link.options.log.warn(
      { stream: name, replicas: there.num_replicas, storage: there.storage, wanted: { replicas, storage } },
      'a stream of NATS has other replicas or another storage than the options: it stays as it is',
    )
  }

  async update(settings: StreamSettings): Promise<void> {
    await this.#ask(`STREAM.UPDATE.${settings.name}`, settings)
  }

  /** One message, by its sequence or as the last of a subject. Null when it is not there (any more). */
  async get(
    name: string,
    what: { readonly seq: number } | { readonly last_by_subj: string },
  ): Promise<StoredMessage | null> {
    // 404 stands for a stream that is missing as well.
    const found = await this.#ask<{ message: RawMessage }>(`STREAM.MSG.GET.${name}`, what, null)
    if (found === null) return null
    const { subject, seq, hdrs = '', data = '', time } = found.message
    const head = atob(hdrs)
    return {
      subject,
      sequence: seq,
      header: (key) => new RegExp(`^${key}: *(.*?)\r$`, 'im').exec(head)?.[1] ?? '',
      data: Buffer.from(data, 'base64'),
      at: Date.parse(time),
    }
  }

  /**
   * Appends to a subject when its last message is the one with sequence `last` (0: it has none). Null when it is not.
   * Without `last`, whatever is there.
   *
   * Of several servers, the leader compares before it hands the message to the others, so that two which are under way
   * at once may both pass (in older servers at any time, in newer ones when the leader changes). Therefore the id of the message says
   * what it follows: every server keeps only the first message of an id, in the same order.
   * @returns the sequence
   * @throws FairleadError of the cluster port
   */
  async append(
    subject: string,
    payload: Uint8Array | string,
    last: number | null,
    fields: Readonly<Record<string, string>> = {},
  ): Promise<number | null> {
    const expected =
      last === null
        ? fields
        : {
            ...fields,
            'Nats-Expected-Last-Subject-Sequence': `${last}`,
            'Nats-Msg-Id': `${subject} ${last}`,
          }
    const answer = await this.#offer(this.#link.connection, subject, payload, expected)
    const { error, seq, duplicate } = parsed<{ seq: number; duplicate?: boolean }>(answer)
    if (error === undefined) return duplicate === true ? null : seq
    if (wrongLastSequence.has(error.err_code ?? 0)) return null
    throw error.code >= 500 && !notKept.has(error.err_code ?? 0) ? uncertain(textOf(error)) : failed(error)
  }

  async #offer(
    connection: NatsConnection,
    subject: string,
    payload: Uint8Array | string,
    fields: Readonly<Record<string, string>>,
  ): Promise<Msg> {
    for (const givenUpAt = performance.now() + offeredFor; ; await sleep(offerEvery)) {
      try {
        return await connection.request(subject, payload, fields)
      } catch (error) {
        if (!wasNotHeard(error) || performance.now() > givenUpAt) throw error
      }
    }
  }

  /** @param none the error that means null; null: every 404 */
  async #ask<T>(verb: string, body: object, none: number | null): Promise<T | null>
  async #ask<T>(verb: string, body: object): Promise<T>
  async #ask<T>(verb: string, body: object, none: number | null = 0): Promise<T | null> {
    const answer = parsed<T>(await this.#insist(`${api}.${verb}`, JSON.stringify(body)))
    const { error } = answer
    if (error === undefined) return answer
    if (none === null && error.code === 404 && error.err_code !== streamNotFound) return null
    if (error.err_code === none) return null
    throw failed(error)
  }

  async #insist(subject: string, body: string): Promise<Msg> {
    const { connection } = this.#link
    for (let asked = 0; ; asked++) {
      try {
        return await connection.request(subject, body, {}, answersWithin[asked])
      } catch (error) {
        const unanswered = error instanceof FairleadError && error.code === 'CLUSTER_UNCERTAIN'
        if (!unanswered || asked + 1 >= answersWithin.length) throw error
      }
    }
  }
}

function parsed<T>({ data }: Msg): T & Answer {
  try {
    return JSON.parse(decoder.decode(data)) as T & Answer
  } catch (error) {
    throw refused('NATS: an answer that is not JetStream’s', error)
  }
}

type ApiError = NonNullable<Answer['error']>

function failed(error: ApiError) {
  const { code, err_code } = error
  const passes = code >= 500 || code === 404 || code === 408 || err_code === accountFull
  return passes ? unavailable(textOf(error)) : refused(textOf(error))
}

function textOf({ code, err_code, description = '' }: ApiError): string {
  return `JetStream: ${description} (${err_code ?? code})`
}
