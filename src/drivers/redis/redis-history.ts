import { randomBytes } from 'node:crypto'
import type {
  HistoryLimits,
  HistoryMessage,
  HistorySlice,
  HistoryStore,
  Position,
} from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import type { LinkPart } from '../../hub/link/broker-link.ts'
import { asBuffer } from './redis-bus.ts'
import type { RedisCircuit } from './redis-circuit.ts'
import type { RedisLink } from './redis-link.ts'
import { append, read } from './redis-scripts.ts'

/**
 * A stream for each room, with the offset as id, and a hash with epoch and last offset that outlives it. An epoch ends
 * with the server's process: after a restart or a failover the last messages may be gone, and offsets would be given
 * twice.
 */
export class RedisHistory implements HistoryStore, LinkPart<RedisCircuit> {
  readonly #link: RedisLink
  #closed = false

  constructor(link: RedisLink) {
    this.#link = link
  }

  start(patience: number): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('closed'))
    return this.#link.open(this, patience, this)
  }

  async append(channel: string, payload: Uint8Array, { size, age }: HistoryLimits): Promise<Position> {
    if (this.#closed) throw unavailable('closed')
    const command = this.#link.sharded ? 'SPUBLISH' : 'PUBLISH'
    const [epoch, offset] = await this.#link.current.run<[Buffer, Buffer]>(
      append,
      this.#keys(channel),
      [newEpoch(), asBuffer(payload), `${size}`, `${age}`, this.#link.keyOf('c', channel), command],
      { runId: true, size: payload.length },
    )
    return { epoch: String(epoch), offset: Number(offset) }
  }

  async read(channel: string, since: Position | null, limit: number): Promise<HistorySlice> {
    if (this.#closed) throw unavailable('closed')
    const first = since === null ? '-' : `${since.offset + 1}-0`
    let slice = await this.#slice(channel, first, limit)
    // Of another epoch the place means nothing: its oldest are what there is.
    const same = since === null || since.epoch === slice.top.epoch
    if (!same) slice = await this.#slice(channel, '0-1', limit)
    const { top, messages } = slice
    if (since === null) return { top, messages: messages.toReversed(), complete: true }
    const next = messages[0]?.offset ?? top.offset + 1
    const last = messages.at(-1)?.offset ?? since.offset
    return { top, messages, complete: same && next === since.offset + 1 && last === top.offset }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#link.close(this)
  }

  async attach(circuit: RedisCircuit): Promise<void> {
    await Promise.all([circuit.load([append, read]), circuit.learnRunIds()])
  }

  async #slice(channel: string, first: string, limit: number) {
    const [epoch, top, found] = await this.#link.current.run<[Buffer, Buffer, Buffer[]]>(
      read,
      this.#keys(channel),
      [newEpoch(), first, `${limit}`],
      { runId: true },
    )
    const messages: HistoryMessage[] = []
    for (let index = 0; index < found.length; index += 2) {
      messages.push({
        offset: Number.parseInt(String(found[index]), 10),
        payload: found[index + 1] as Buffer,
      })
    }
    return { top: { epoch: String(epoch), offset: Number(top) }, messages }
  }

  #keys(channel: string): string[] {
    return [this.#link.keyOf('h', channel), this.#link.keyOf('m', channel)]
  }
}

function newEpoch(): string {
  return randomBytes(9).toString('base64url')
}
