import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { refused, unavailable } from '../../hub/cluster-error.ts'
import type { EtcdPlace } from './etcd-options.ts'

/** Many times what the nodes of a cluster take. */
const maxAnswer = 16 * 1024 * 1024

/** Error codes of gRPC, which the gateway hands on. */
const invalidArgument = 3
const permissionDenied = 7
const unauthenticated = 16

interface Failure {
  readonly error?: string
  readonly message?: string
  readonly code?: number
}

/**
 * etcd's API as JSON over HTTP, which every member serves since 3.4 under `/v3`.
 *
 * Chosen over a gRPC client: a handful of requests and no stream need none, nor its dependencies; and `node:https`
 * takes client certificates on both runtimes, which `fetch` does not.
 */
export class EtcdClient {
  readonly #place: EtcdPlace
  readonly #patience: number
  readonly #http = new HttpAgent({ keepAlive: true })
  readonly #https: HttpsAgent
  #endpoint = 0
  #token: string | null = null
  #closed = false

  /** @param patience for one answer, in milliseconds */
  constructor(place: EtcdPlace, patience: number) {
    this.#place = place
    this.#patience = patience
    this.#https = new HttpsAgent({ ...place.tls, keepAlive: true })
  }

  /**
   * Asks the member that answered last. When it does not answer, the next request goes to the next one: this one may
   * have been carried out.
   * @throws FairleadError CLUSTER_UNAVAILABLE, CLUSTER_REFUSED
   */
  async ask<T>(path: string, body: object): Promise<T> {
    if (this.#place.user !== null) this.#token ??= await this.#authenticate(this.#place.user)
    const answer = await this.#post<T & Failure>(path, body)
    if (!isStale(answer) || this.#place.user === null) return succeeded(answer)
    // Tokens end after a while and with every change of users. Nothing was done, so it is done now.
    this.#token = null
    this.#token = await this.#authenticate(this.#place.user)
    return succeeded(await this.#post<T & Failure>(path, body))
  }

  close(): void {
    this.#closed = true
    this.#http.destroy()
    this.#https.destroy()
  }

  async #authenticate(user: { name: string; password: string }): Promise<string> {
    const answer = await this.#post<{ token: string } & Failure>('auth/authenticate', user)
    return succeeded(answer).token
  }

  async #post<T>(path: string, body: object): Promise<T> {
    if (this.#closed) throw unavailable('closed')
    const { endpoints } = this.#place
    const endpoint = endpoints[this.#endpoint % endpoints.length] as URL
    try {
      const text = await this.#exchange(new URL(`/v3/${path}`, endpoint), JSON.stringify(body))
      return JSON.parse(text) as T
    } catch (error) {
      this.#endpoint = (this.#endpoint + 1) % endpoints.length
      throw unavailable(`etcd has not answered: ${error instanceof Error ? error.message : error}`, error)
    }
  }

  #exchange(url: URL, body: string): Promise<string> {
    const secure = url.protocol === 'https:'
    return new Promise((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        ...(this.#token === null ? {} : { authorization: this.#token }),
      }
      const options = { method: 'POST', headers, agent: secure ? this.#https : this.#http }
      const request = secure
        ? httpsRequest(url, { ...options, ...this.#place.tls })
        : httpRequest(url, options)
      const late = setTimeout(() => {
        request.destroy(new Error(`no answer within ${this.#patience} ms`))
      }, this.#patience)
      const end = (error: Error | null, text = '') => {
        clearTimeout(late)
        if (error === null) resolve(text)
        else reject(error)
      }
      request.on('error', end)
      request.on('response', (response) => collect(response, end))
      request.end(body)
    })
  }
}

function collect(response: IncomingMessage, end: (error: Error | null, text?: string) => void): void {
  const chunks: Buffer[] = []
  let size = 0
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxAnswer) response.destroy(new Error(`an answer of more than ${maxAnswer} bytes`))
  })
  response.on('error', end)
  response.on('aborted', () => end(new Error('the connection broke')))
  response.on('end', () => {
    const text = Buffer.concat(chunks).toString()
    const { statusCode = 0 } = response
    // Errors of etcd are JSON as well; other ones are of something that stands before it.
    if (text.startsWith('{')) end(null, text)
    else end(new Error(`an answer with status ${statusCode} that is not etcd's`))
  })
}

function isStale({ code, error = '' }: Failure): boolean {
  return code === unauthenticated || (code === invalidArgument && error.includes('auth'))
}

function succeeded<T extends Failure>(answer: T): T {
  const { code, error, message } = answer
  if (error === undefined && code === undefined) return answer
  const text = `etcd: ${message ?? error} (${code})`
  throw code === permissionDenied || code === unauthenticated || code === invalidArgument
    ? refused(text)
    : unavailable(text)
}
