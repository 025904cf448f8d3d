import {
  type NatsConnection as Client,
  connect,
  errors,
  headers,
  type Msg,
  type MsgCallback,
  type Subscription,
} from '@nats-io/transport-node'
import { refused, unavailable, uncertain } from '../../hub/cluster-error.ts'
import { watchAnswers } from '../../hub/link/answer-watch.ts'
import { UnderWay } from '../../hub/link/under-way.ts'
import type { NatsPlace } from './nats-options.ts'

/** For the TCP connection, TLS, and the first answer; of each server. */
const connectWithin = 3_000
/** For one request. Longer than it takes to find out that a server has stopped answering. */
const answerWithin = 6_000
/** Subjects that are remembered as denied: more than anybody uses in the time of one answer. */
const maxDenied = 10_000

/** What is sent together, and is taken by the server when the PONG that follows it is here. */
interface Batch {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  /** Of what is under way. */
  taken: number
}

/** One connection to one server. Once lost it stays lost: only then is it known what was lost, and what is in force. */
export class NatsConnection {
  readonly #client: Client
  readonly #lost: (reason: string) => void
  #state: 'open' | 'lost' = 'open'
  readonly #underWay = new UnderWay('NATS')
  #batch: Batch | null = null
  /** Settled when the connection is lost, since the client leaves what waits for a PONG waiting. */
  readonly #unsettled = new Set<Batch>()
  /** Subjects, and when the server has last denied to publish there; those of the last denials come last. */
  readonly #denied = new Map<string, number>()
  /** Set while `objection` waits: what the server has objected to since. */
  #asked: { objection: string | null } | null = null
  readonly #endWatch: () => void

  private constructor(client: Client, lost: (reason: string) => void) {
    this.#client = client
    this.#lost = lost
    void client.closed().then((error) => this.#lose(error?.message || 'the connection was closed'))
    void this.#hearStatus()
    this.#endWatch = watchAnswers(
      () => client.flush(),
      (reason) => this.#lose(reason),
    )
  }

  /**
   * @param lost called once, when it is lost and was not closed
   * @throws FairleadError CLUSTER_UNAVAILABLE
   */
  static async open(place: NatsPlace, lost: (reason: string) => void): Promise<NatsConnection> {
    try {
      const client = await connect({
        ...place.access,
        servers: [...place.servers],
        reconnect: false,
        timeout: connectWithin,
        noAsyncTraces: true,
        name: 'fairlead',
      })
      return new NatsConnection(client, lost)
    } catch (error) {
      throw unavailable(`NATS cannot be reached: ${messageOf(error)}`, error)
    }
  }

  /** Whether the server is one of several that are one system. */
  get ofSeveral(): boolean {
    return this.#client.info?.cluster !== undefined
  }

  /** Resolves when the server has taken it. */
  async publish(subject: string, payload: Uint8Array): Promise<void> {
    const taken = this.#admit(payload.length)
    const sentAt = performance.now()
    try {
      this.#client.publish(subject, payload)
    } catch (error) {
      this.#underWay.leave(taken)
      throw error
    }
    await this.#answered(taken)
    if ((this.#denied.get(subject) ?? -1) >= sentAt) throw refused('NATS: not permitted to publish there')
  }

  subscribe(subject: string, callback: MsgCallback<Msg>): Subscription {
    return this.#client.subscribe(subject, { callback })
  }

  /**
   * Resolves when the server has seen all that was sent before: with what it has objected to meanwhile without naming a
   * subject, or null. For one at a time.
   */
  async objection(): Promise<string | null> {
    const taken = this.#admit(0)
    const asked: { objection: string | null } = { objection: null }
    this.#asked = asked
    try {
      await this.#answered(taken)
    } finally {
      this.#asked = null
    }
    return asked.objection
  }

  /** @throws FairleadError CLUSTER_UNCERTAIN when no answer came */
  async request(
    subject: string,
    payload: Uint8Array | string,
    fields: Readonly<Record<string, string>> = {},
    within = answerWithin,
  ): Promise<Msg> {
    const taken = this.#admit(payload.length)
    const head = headers()
    for (const [name, value] of Object.entries(fields)) head.set(name, value)
    try {
      // The client itself rejects it when the connection is closed.
      return await this.#client.request(subject, payload, { headers: head, timeout: within })
    } catch (error) {
      throw failure(error)
    } finally {
      this.#underWay.leave(taken)
    }
  }

  /** Tells nothing any more. */
  close(): void {
    if (this.#state === 'lost') return
    this.#state = 'lost'
    this.#endWatch()
    for (const batch of this.#unsettled) batch.reject(uncertain('the connection to NATS broke'))
    this.#unsettled.clear()
    this.#client.close().catch(() => {})
  }

  #lose(reason: string): void {
    if (this.#state === 'lost') return
    this.close()
    this.#lost(reason)
  }

  #admit(size: number): number {
    if (this.#state === 'lost' || this.#client.isClosed()) throw unavailable('not connected to NATS')
    const most = this.#client.info?.max_payload ?? Number.POSITIVE_INFINITY
    if (size > most) throw refused(`NATS takes at most ${most} bytes, found ${size}`)
    return this.#underWay.enter(size)
  }

  /** What is sent in one tick is followed by one PING. */
  #answered(taken: number): Promise<void> {
    let batch = this.#batch
    if (batch === null) {
      batch = { ...Promise.withResolvers<void>(), taken: 0 }
      this.#batch = batch
      this.#unsettled.add(batch)
      queueMicrotask(() => this.#ping())
    }
    batch.taken += taken
    return batch.promise
  }

  #ping(): void {
    const batch = this.#batch as Batch
    this.#batch = null
    const settle = (act: () => void) => {
      this.#underWay.leave(batch.taken)
      this.#unsettled.delete(batch)
      act()
    }
    this.#client.flush().then(
      // What was denied came before the PONG, but the client tells it a few steps later.
      () => setImmediate(() => settle(batch.resolve)),
      (error) => settle(() => batch.reject(uncertain('the connection to NATS broke', error))),
    )
  }

  async #hearStatus(): Promise<void> {
    for await (const status of this.#client.status()) {
      if (status.type !== 'error') continue
      const { error } = status
      if (!(error instanceof errors.PermissionViolationError)) {
        // It may stand for a subscription that is not there.
        if (this.#asked === null) this.#lose(error.message)
        else this.#asked.objection = error.message
      } else if (error.operation === 'publish') this.#deny(error.subject)
    }
  }

  #deny(subject: string): void {
    this.#denied.delete(subject)
    this.#denied.set(subject, performance.now())
    if (this.#denied.size <= maxDenied) return
    for (const oldest of this.#denied.keys()) {
      this.#denied.delete(oldest)
      return
    }
  }
}

/** Whether a request has failed because there was nobody to take it. */
export function wasNotHeard(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : null
  return cause instanceof errors.RequestError && cause.isNoResponders()
}

function failure(error: unknown) {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (cause instanceof errors.NoRespondersError) {
    return unavailable('NATS: nobody answers there: no JetStream, or a stream without a leader', error)
  }
  if (cause instanceof errors.PermissionViolationError) return refused('NATS: not permitted', error)
  if (cause instanceof errors.InvalidArgumentError) return refused(`NATS: ${cause.message}`, error)
  return uncertain('NATS has not answered', error)
}

/** What client and server say holds no credentials. */
function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}
