import { unavailable } from '../../hub/cluster-error.ts'
import type { LeaseStore, StoredCell } from '../../hub/leases/stored-leases.ts'
import type { LinkPart } from '../../hub/link/broker-link.ts'
import type { RedisCircuit } from './redis-circuit.ts'
import type { RedisLink } from './redis-link.ts'
import { removeNode, writeNode } from './redis-scripts.ts'

/** Of the hash, since anybody has beaten. */
const keepFor = `${24 * 60 * 60 * 1000}`

const entry = /^(\d+)\|(.*)$/s

/** A hash of nodes by id. */
export class RedisLeases implements LeaseStore, LinkPart<RedisCircuit> {
  readonly #link: RedisLink
  #closed = false

  constructor(link: RedisLink) {
    this.#link = link
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience, this)
  }

  async read(id: string): Promise<StoredCell> {
    const key = this.#link.leaseKey
    const circuit = this.#link.current
    const [[seconds, micros], found] = await Promise.all([
      circuit.request<[Buffer, Buffer]>(key, ['TIME']),
      circuit.request<Buffer | null>(key, ['HGET', key, id]),
    ])
    // The server's own clock. It is compared with nobody's: what is there, or was held before, counts on from its own.
    const floor = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
    return { ...cellOf(found), floor }
  }

  async write(id: string, text: string, revision: number): Promise<number | null> {
    const args = [id, `${revision}`, text, keepFor]
    const written = await this.#link.current.run<Buffer | null>(writeNode, [this.#link.leaseKey], args)
    return written === null ? null : Number(written)
  }

  async remove(id: string, revision: number): Promise<void> {
    await this.#link.current.run(removeNode, [this.#link.leaseKey], [id, `${revision}`])
  }

  async list(): Promise<readonly string[]> {
    const key = this.#link.leaseKey
    // HVALS and not HGETALL: the id is in the text, and one reply is the same in both versions of the protocol.
    const values = await this.#link.current.request<Buffer[]>(key, ['HVALS', key])
    return values.flatMap((value) => cellOf(value).text ?? [])
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.close(this)
  }

  attach(circuit: RedisCircuit): Promise<void> {
    return circuit.load([writeNode, removeNode])
  }
}

/** What somebody else has written there is nothing, and is written over. */
function cellOf(value: Buffer | null): { text: string | null; revision: number } {
  const [, digits, text] = entry.exec(String(value ?? '')) ?? []
  const revision = Number(digits)
  if (text === undefined || !Number.isSafeInteger(revision)) return { text: null, revision: 0 }
  return { text, revision }
}
