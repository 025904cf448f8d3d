import { FairleadError } from '../../core/errors.ts'
import { refused, unavailable } from '../../hub/cluster-error.ts'
import type { Changed, Revisioned } from '../../hub/leases/revision-leases.ts'

export interface EtcdOptions {
  /** `http://host:2379` or `https://`, one or several of the cluster's. */
  readonly endpoints: string | readonly string[]
  readonly username?: string
  readonly password?: string
}

/** Milliseconds for one request. */
const answerWithin = 3_000

interface KeyValue {
  readonly value?: string
  readonly mod_revision: string
}

interface RangeReply {
  readonly header: { readonly revision: string }
  readonly kvs?: readonly KeyValue[]
}

interface TxnReply {
  readonly header: { readonly revision: string }
  readonly succeeded?: boolean
  readonly responses?: readonly { readonly response_range?: RangeReply }[]
}

/** etcd 3.4 or later through its JSON gateway, which every etcd serves beside gRPC: no client library is needed. */
export class EtcdGateway {
  readonly #endpoints: readonly string[]
  readonly #credentials: { readonly name: string; readonly password: string } | null
  #current = 0
  #token: string | null = null

  /** @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
  constructor({ endpoints, username, password }: EtcdOptions) {
    const list = typeof endpoints === 'string' ? [endpoints] : endpoints
    const fine = Array.isArray(list) && list.length > 0 && list.every(isEndpoint)
    if (!fine) throw wrong('`endpoints` as http://host:2379, without user and path')
    if ((username === undefined) !== (password === undefined))
      throw wrong('`username` and `password`, or neither')
    this.#endpoints = list.map((endpoint) => endpoint.replace(/\/$/, ''))
    this.#credentials = username === undefined ? null : { name: username, password: password as string }
  }

  /** Everything that begins with `prefix`. */
  async list(prefix: string): Promise<readonly Revisioned[]> {
    const range = { key: encode(prefix), range_end: encode(after(prefix)) }
    return entriesOf(await this.#ask<RangeReply>('/v3/kv/range', range))
  }

  async get(key: string): Promise<{ readonly entry: Revisioned | null; readonly revision: number }> {
    const reply = await this.#ask<RangeReply>('/v3/kv/range', { key: encode(key) })
    return { entry: entriesOf(reply)[0] ?? null, revision: Number(reply.header.revision) }
  }

  /** As `RevisionStore.change`. */
  async change(key: string, revision: number, value: string | null): Promise<Changed> {
    const name = encode(key)
    const write =
      value === null
        ? { requestDeleteRange: { key: name } }
        : { requestPut: { key: name, value: encode(value) } }
    const reply = await this.#ask<TxnReply>('/v3/kv/txn', {
      compare: [{ key: name, target: 'MOD', result: 'EQUAL', mod_revision: `${revision}` }],
      success: [write],
      failure: [{ requestRange: { key: name } }],
    })
    if (reply.succeeded === true) return { done: true, revision: Number(reply.header.revision) }
    const found = reply.responses?.[0]?.response_range
    return { done: false, entry: found === undefined ? null : (entriesOf(found)[0] ?? null) }
  }

  async #ask<T>(path: string, body: object): Promise<T> {
    if (this.#credentials !== null) this.#token ??= await this.#authenticate(this.#credentials)
    const reply = await this.#post(path, body)
    // Tokens expire; another one is asked for once.
    if (reply.status !== 401 || this.#credentials === null) return this.#read<T>(reply)
    this.#token = await this.#authenticate(this.#credentials)
    return this.#read<T>(await this.#post(path, body))
  }

  async #authenticate(credentials: object): Promise<string> {
    this.#token = null
    const { token } = await this.#read<{ token: string }>(
      await this.#post('/v3/auth/authenticate', credentials),
    )
    return token
  }

  async #post(path: string, body: object): Promise<Response> {
    const endpoint = this.#endpoints[this.#current % this.#endpoints.length] as string
    try {
      return await fetch(endpoint + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(this.#token === null ? {} : { authorization: this.#token }),
        },
        body: JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(answerWithin),
      })
    } catch (error) {
      this.#current += 1
      throw unavailable('etcd cannot be reached', error)
    }
  }

  async #read<T>(reply: Response): Promise<T> {
    let text: string
    try {
      text = await reply.text()
    } catch (error) {
      this.#current += 1
      throw unavailable('etcd broke off its answer', error)
    }
    if (reply.ok) {
      try {
        return JSON.parse(text) as T
      } catch (error) {
        throw refused('etcd: the answer is no JSON', error)
      }
    }
    // Without a leader, or overloaded: the next one may do better.
    this.#current += 1
    if (reply.status >= 500) throw unavailable(`etcd answers with status ${reply.status}`)
    throw refused(`etcd answers with status ${reply.status}: ${text.slice(0, 200)}`)
  }
}

function entriesOf({ kvs = [] }: RangeReply): Revisioned[] {
  return kvs.map(({ value = '', mod_revision }) => ({
    value: Buffer.from(value, 'base64').toString(),
    revision: Number(mod_revision),
  }))
}

/** The first key behind all that begin with `prefix`, which ends in ASCII. */
function after(prefix: string): string {
  const last = prefix.length - 1
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1)
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64')
}

function isEndpoint(text: unknown): boolean {
  if (typeof text !== 'string' || !URL.canParse(text)) return false
  const { protocol, username, password, pathname, search } = new URL(text)
  return /^https?:$/.test(protocol) && username + password + search === '' && pathname === '/'
}

function wrong(expected: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', `etcd: expected ${expected}, found something else`, {
    source: 'config',
    retryable: false,
  })
}
