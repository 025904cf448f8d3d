import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../clock.ts'
import type { Bus } from '../cluster.ts'
import type { Relayed } from '../local.ts'
import { beginOrders, type Directed, encode, type NodeMessage, type Sender, writeOrder } from './envelope.ts'
import type { Standing } from './own-standing.ts'
import type { WireWriter } from './wire.ts'

/** Orders that go in one publish; more go in the next. */
const maxBatch = 256 * 1024
/** What may be under way to the broker; more than that, and the broker is as good as away. */
const maxUnderWay = 16 * 1024 * 1024

interface Batch {
  readonly channel: string
  readonly writer: WireWriter
  readonly done: Promise<Relayed>
  readonly settle: (relayed: Relayed) => void
}

const outcomes: Readonly<Record<Relayed['status'], Relayed>> = {
  relayed: { status: 'relayed', position: null },
  degraded: { status: 'degraded', position: null },
  uncertain: { status: 'uncertain', position: null },
  refused: { status: 'refused', position: null },
  gone: { status: 'gone', position: null },
}

export function relayed(status: Relayed['status']): Relayed {
  return outcomes[status]
}

/** What an error of the cluster port means for what was to be relayed. */
export function statusOf(error: unknown): 'degraded' | 'uncertain' | 'refused' {
  const code = error instanceof FairleadError ? error.code : null
  return code === 'CLUSTER_UNCERTAIN' ? 'uncertain' : code === 'CLUSTER_REFUSED' ? 'refused' : 'degraded'
}

/**
 * Sends to other nodes. Orders for one channel that are given in one tick leave in one publish, and whoever gave them
 * waits for the same promise.
 */
export class Relay {
  readonly #bus: Pick<Bus, 'publish'>
  readonly #clock: Clock
  readonly #sender: () => Sender
  readonly #standing: () => Standing
  readonly #batches = new Map<string, Batch>()
  #scheduled = false
  #underWay = 0
  /** Publishes, orders in them, and orders that could not be relayed. */
  readonly counts = { publishes: 0, orders: 0, degraded: 0 }

  constructor(
    bus: Pick<Bus, 'publish'>,
    clock: Clock,
    sender: () => Sender,
    standing: () => Standing = () => 'held',
  ) {
    this.#bus = bus
    this.#clock = clock
    this.#sender = sender
    this.#standing = standing
  }

  order(channel: string, directed: Directed): Promise<Relayed> {
    this.counts.orders += 1
    let batch = this.#batches.get(channel)
    // Those that wait are not refused with one that is too large. A text has as many bytes as units, or up to three
    // times that: also then they stay well below the least that a broker takes.
    const { order } = directed
    if (batch !== undefined && order.do === 'send' && batch.writer.length + order.data.length > maxBatch) {
      this.#leave(batch)
      batch = undefined
    }
    if (batch === undefined) {
      const { promise, resolve } = Promise.withResolvers<Relayed>()
      batch = { channel, writer: beginOrders(this.#sender()), done: promise, settle: resolve }
      this.#batches.set(channel, batch)
      if (!this.#scheduled) {
        this.#scheduled = true
        this.#clock.soon(() => this.flush())
      }
    }
    writeOrder(batch.writer, directed)
    if (batch.writer.length > maxBatch) this.#leave(batch)
    return batch.done
  }

  /** Sends one message, now. */
  say(channel: string, message: NodeMessage): Promise<Relayed> {
    return this.#publish(channel, encode(this.#sender(), message))
  }

  /** Says something to this node itself, which listens also when it holds no lease. */
  saySelf(channel: string, message: NodeMessage): Promise<Relayed> {
    return this.#publish(channel, encode(this.#sender(), message), 'held')
  }

  /** Sends what waits. */
  flush(): void {
    this.#scheduled = false
    for (const batch of this.#batches.values()) this.#leave(batch)
  }

  #leave(batch: Batch): void {
    this.#batches.delete(batch.channel)
    void this.#publish(batch.channel, batch.writer.finish()).then(batch.settle)
  }

  async #publish(channel: string, bytes: Uint8Array, standing = this.#standing()): Promise<Relayed> {
    // What a node without a lease says is refused by the others.
    if (standing === 'none' || this.#underWay + bytes.length > maxUnderWay) {
      this.counts.degraded += 1
      return relayed('degraded')
    }
    this.#underWay += bytes.length
    this.counts.publishes += 1
    try {
      await this.#bus.publish(channel, bytes)
      return relayed(standing === 'doubtful' ? 'uncertain' : 'relayed')
    } catch (error) {
      this.counts.degraded += 1
      return relayed(statusOf(error))
    } finally {
      this.#underWay -= bytes.length
    }
  }
}
