import { FairleadError } from '../../core/errors.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { LeaseStore, StoredCell } from '../../hub/leases/stored-leases.ts'
import type { EtcdClient } from './etcd-client.ts'

/** Integers of 64 bits are strings. */
interface Header {
  readonly header: { readonly revision: string }
}

interface Range extends Header {
  readonly kvs?: readonly { readonly mod_revision: string; readonly value?: string }[]
}

interface Transaction extends Header {
  readonly succeeded?: boolean
}

/**
 * A key for each node. A beat is a transaction that compares the revision of the one before, so that a late one is
 * refused by etcd itself. The keys hang on an etcd lease, which does no more than to remove what a whole cluster that
 * died has left: when a node is suspected and dead is decided by the beats, since an etcd lease has seconds for a
 * resolution and tells nobody that it is late.
 *
 * A look reads all keys, through the quorum. A watch would cost less, but is silent at a member that has lost the
 * others, as if every node were; it also has to be resumed, and begun anew after a compaction. A read fails there.
 */
export class EtcdLeases implements LeaseStore {
  readonly #client: EtcdClient
  readonly #prefix: string
  /** Seconds. */
  readonly #keepFor: number
  #lease: { readonly id: string; readonly renewAt: number } | null = null
  #closed = false

  constructor(client: EtcdClient, namespace: string, dead: number) {
    this.#client = client
    this.#prefix = `${namespace}/nodes/`
    this.#keepFor = Math.max(60, Math.ceil((dead * 4) / 1000))
  }

  start(): Promise<void> {
    return this.#closed ? Promise.reject(unavailable('closed')) : Promise.resolve()
  }

  async read(id: string): Promise<StoredCell> {
    const { header, kvs } = await this.#client.ask<Range>('kv/range', { key: this.#key(id) })
    // Every incarnation is at most the revision that it was written with, and revisions only grow.
    const floor = Number(header.revision) + 1
    const [found] = kvs ?? []
    if (found === undefined) return { text: null, revision: 0, floor }
    return { text: textOf(found.value), revision: Number(found.mod_revision), floor }
  }

  async write(id: string, text: string, revision: number): Promise<number | null> {
    const lease = await this.#held()
    const put = { key: this.#key(id), value: base64(text), lease }
    try {
      return await this.#change(id, revision, { request_put: put })
    } catch (error) {
      // It may be that which is gone. Not when there was no answer: one more lease is more for a store that is slow.
      if (!(error instanceof FairleadError) || error.code !== 'CLUSTER_UNCERTAIN') this.#lease = null
      throw error
    }
  }

  async remove(id: string, revision: number): Promise<void> {
    await this.#change(id, revision, { request_delete_range: { key: this.#key(id) } })
  }

  async list(): Promise<readonly string[]> {
    const from = base64(this.#prefix)
    // What begins with the prefix ends before the prefix with the next last character.
    const to = base64(`${this.#prefix.slice(0, -1)}0`)
    const { kvs = [] } = await this.#client.ask<Range>('kv/range', { key: from, range_end: to })
    return kvs.map(({ value }) => textOf(value))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#client.close()
  }

  async #change(id: string, revision: number, operation: object): Promise<number | null> {
    const unchanged = {
      key: this.#key(id),
      target: 'MOD',
      result: 'EQUAL',
      mod_revision: `${revision}`,
    }
    const { succeeded, header } = await this.#client.ask<Transaction>('kv/txn', {
      compare: [unchanged],
      success: [operation],
    })
    return succeeded === true ? Number(header.revision) : null
  }

  /** The etcd lease, renewed when a third of its time is over. */
  async #held(): Promise<string> {
    const now = performance.now()
    if (this.#lease !== null && now < this.#lease.renewAt) return this.#lease.id
    const renewAt = now + (this.#keepFor * 1000) / 3
    if (this.#lease !== null) {
      const { id } = this.#lease
      const { result } = await this.#client.ask<{ result?: { TTL?: string } }>('lease/keepalive', { ID: id })
      // Of one that has ended nothing is left to live.
      if (Number(result?.TTL ?? 0) > 0) {
        this.#lease = { id, renewAt }
        return id
      }
    }
    const { ID } = await this.#client.ask<{ ID: string }>('lease/grant', { TTL: `${this.#keepFor}` })
    this.#lease = { id: ID, renewAt }
    return ID
  }

  #key(id: string): string {
    return base64(`${this.#prefix}${id}`)
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function textOf(value = ''): string {
  return Buffer.from(value, 'base64').toString()
}
