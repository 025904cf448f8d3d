import { refused, unavailable, uncertain } from '../../hub/cluster-error.ts'
import { EtcdHttp, type HttpAnswer, wasNeverSent } from './etcd-http.ts'
import type { EtcdPlace } from './etcd-options.ts'

/** Error codes of gRPC, which the gateway hands on. */
const invalidArgument = 3
const failedPrecondition = 9
const permissionDenied = 7
const unauthenticated = 16
/** What etcd says when it has not found out what became of a request, such as a member that has lost the others. */
const unsettled = new Set([1, 2, 4, 10, 13, 14, 15])

interface Failure {
  readonly code: number
  readonly message: string
}

/** As members from 3.4 to 3.6 say it; of a stream, such as `lease/keepalive`, it stands one level deeper. */
interface RawFailure {
  readonly code?: number
  readonly grpc_code?: number
  readonly message?: string
  readonly error?: string | RawFailure
}

type Parsed<T> = { readonly answer: T } | { readonly failure: Failure }

/**
 * etcd's API as JSON over HTTP, which every member serves since 3.4 under `/v3`.
 *
 * Chosen over a gRPC client: a handful of requests and no stream need none, nor its dependencies; and `node:https`
 * takes client certificates on both runtimes, which `fetch` does not.
 */
export class EtcdClient {
  readonly #place: EtcdPlace
  readonly #http: EtcdHttp
  #endpoint = 0
  #token: Promise<string> | null = null

  /** @param patience for one answer, in milliseconds */
  constructor(place: EtcdPlace, patience: number) {
    this.#place = place
    this.#http = new EtcdHttp(place.tls, patience)
  }

  /**
   * Asks the member that answered last. One that cannot be connected to is passed over at once; after one that does not
   * answer, or cannot reach the others, the next request goes to the next one: this one may have been carried out.
   * @throws FairleadError CLUSTER_UNAVAILABLE, CLUSTER_UNCERTAIN, CLUSTER_REFUSED
   */
  async ask<T>(path: string, body: object): Promise<T> {
    const { user } = this.#place
    if (user === null) return answerOf(await this.#post<T>(path, body, ''))
    const token = this.#login(user)
    const first = await this.#post<T>(path, body, await token)
    if (!('failure' in first) || !isStale(first.failure)) return answerOf(first)
    // Tokens end after a while and with every change of users. Nothing was done, so it is done now.
    if (this.#token === token) this.#token = null
    return answerOf(await this.#post<T>(path, body, await this.#login(user)))
  }

  close(): void {
    this.#http.close()
  }

  /**
   * One at a time for all that ask meanwhile: it is made to cost the server something. Empty while etcd asks nobody who
   * he is, so that this can be turned on while everything runs.
   */
  #login(user: { name: string; password: string }): Promise<string> {
    if (this.#token !== null) return this.#token
    const login = this.#post<{ token: string }>('auth/authenticate', user, '').then((answer) =>
      'failure' in answer && answer.failure.code === failedPrecondition ? '' : answerOf(answer).token,
    )
    this.#token = login
    login.catch(() => {
      if (this.#token === login) this.#token = null
    })
    return login
  }

  async #post<T>(path: string, body: object, token: string): Promise<Parsed<T>> {
    const { endpoints } = this.#place
    for (let asked = 1; ; asked++) {
      if (this.#http.closed) throw unavailable('closed')
      const at = this.#endpoint
      const endpoint = endpoints[at] as URL
      try {
        const parsed = parse<T>(
          await this.#http.post(new URL(`/v3/${path}`, endpoint), JSON.stringify(body), token),
        )
        if ('failure' in parsed && unsettled.has(parsed.failure.code)) this.#passOver(at)
        return parsed
      } catch (error) {
        this.#passOver(at)
        const why = error instanceof Error ? error.message : String(error)
        if (!wasNeverSent(error)) throw uncertain(`etcd has not answered: ${why}`, error)
        if (asked >= endpoints.length) throw unavailable(`etcd cannot be reached: ${why}`, error)
      }
    }
  }

  /** Of those who find out at once that a member is bad, one does it. */
  #passOver(endpoint: number): void {
    if (this.#endpoint === endpoint) this.#endpoint = (endpoint + 1) % this.#place.endpoints.length
  }
}

/** @throws Error when it is not of etcd but of something that stands before it; what it says is not repeated */
function parse<T>({ status, text }: HttpAnswer): Parsed<T> {
  const answer = fromJson(text)
  if (typeof answer !== 'object' || answer === null) throw notOfEtcd(status)
  const failure = failureOf(answer as RawFailure)
  if (failure !== null) return { failure }
  // Every answer has one of both.
  if (status !== 200 || !('header' in answer || 'result' in answer)) throw notOfEtcd(status)
  return { answer: answer as T }
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function notOfEtcd(status: number): Error {
  return new Error(`an answer with status ${status} that is not etcd's`)
}

function failureOf({ code, grpc_code, message, error }: RawFailure): Failure | null {
  if (typeof error === 'object' && error !== null) return failureOf(error)
  const number = code ?? grpc_code
  if (typeof number !== 'number') return null
  return { code: number, message: message ?? error ?? '' }
}

function isStale({ code, message }: Failure): boolean {
  // The last one: it was asked without a token.
  return code === unauthenticated || (code === invalidArgument && /auth|user name is empty/.test(message))
}

function answerOf<T>(parsed: Parsed<T>): T {
  if ('answer' in parsed) return parsed.answer
  const { code, message } = parsed.failure
  const text = `etcd: ${message} (${code})`
  if (unsettled.has(code)) throw uncertain(text)
  throw code === permissionDenied || code === unauthenticated || code === invalidArgument
    ? refused(text)
    : unavailable(text)
}
