import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { EtcdPlace } from './etcd-options.ts'

/** Many times what the nodes of a cluster take. */
const maxAnswer = 16 * 1024 * 1024

/** Why nothing can have come to the server: there was no connection. */
const neverSent = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])

export interface HttpAnswer {
  readonly status: number
  readonly text: string
}

/** JSON there and back, over connections that are kept. */
export class EtcdHttp {
  readonly #tls: EtcdPlace['tls']
  readonly #patience: number
  readonly #http = new HttpAgent({ keepAlive: true })
  readonly #https: HttpsAgent
  readonly #underWay = new Set<ClientRequest>()
  #closed = false

  /** @param patience for one answer, in milliseconds */
  constructor(tls: EtcdPlace['tls'], patience: number) {
    this.#tls = tls
    this.#patience = patience
    this.#https = new HttpsAgent({ ...tls, keepAlive: true })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Rejects what is under way, and lets go of every connection. */
  close(): void {
    this.#closed = true
    for (const request of this.#underWay) request.destroy(new Error('closed'))
    this.#http.destroy()
    this.#https.destroy()
  }

  /** @throws Error whose text holds nothing of what was sent or received */
  post(url: URL, body: string, token: string): Promise<HttpAnswer> {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(token === '' ? {} : { authorization: token }),
    }
    return new Promise((resolve, reject) => {
      const secure = url.protocol === 'https:'
      const request = secure
        ? httpsRequest(url, { method: 'POST', headers, agent: this.#https, ...this.#tls })
        : httpRequest(url, { method: 'POST', headers, agent: this.#http })
      this.#underWay.add(request)
      const late = setTimeout(
        () => request.destroy(new Error(`no answer within ${this.#patience} ms`)),
        this.#patience,
      )
      request.on('response', (response) => collect(response, resolve, reject))
      request.on('error', reject)
      // Comes in every case, and after all else.
      request.on('close', () => {
        clearTimeout(late)
        this.#underWay.delete(request)
        reject(new Error('the connection broke'))
      })
      request.end(body)
    })
  }
}

/** Whether the server cannot have got what failed so. */
export function wasNeverSent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && neverSent.has(String(error.code))
}

function collect(
  response: IncomingMessage,
  resolve: (answer: HttpAnswer) => void,
  reject: (error: Error) => void,
): void {
  const chunks: Buffer[] = []
  let size = 0
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxAnswer) response.destroy(new Error(`an answer of more than ${maxAnswer} bytes`))
  })
  response.on('error', reject)
  response.on('end', () => {
    if (response.complete)
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
  })
}
