import { checkCode, cutReason } from './closing.ts'
import type { Connection } from './connection.ts'
import type { Address, ClusterHalf, Data, LocalHub, Order, Relayed } from './local.ts'
import { checkName } from './names.ts'

/** What became of something that concerns connections, here and elsewhere. */
export interface Delivery {
  /** Connections of this node that it concerned. */
  readonly local: number
  /** `local`: no other node could be concerned. Else what became of it on its way to the others. */
  readonly status: 'local' | Relayed['status']
}

export interface AudienceSendOptions {
  /** A connection that does not get it, such as the one it came from. */
  readonly except?: Pick<Connection<unknown>, 'id'> | string
  /** With `whenFull: 'conflate'`: a message that still waits with the same key is replaced by this one. */
  readonly key?: string
}

/**
 * Connections that are addressed together, wherever in the cluster they are. What concerns those of this node is done
 * when a method returns; the promise tells about the other nodes, and never rejects.
 */
export class Audience {
  readonly #local: LocalHub
  readonly #cluster: ClusterHalf
  readonly #address: Address

  constructor(local: LocalHub, cluster: ClusterHalf, address: Address) {
    this.#local = local
    this.#cluster = cluster
    this.#address = address
  }

  /** How many there are on this node. */
  get localCount(): number {
    return this.#local.count(this.#address)
  }

  /** @throws TypeError when `data` is neither text nor bytes */
  send(data: Data, options: AudienceSendOptions = {}): Promise<Delivery> {
    const { except, key = null } = options
    const id = typeof except === 'object' ? except.id : (except ?? null)
    return this.#do({ do: 'send', data, except: id, key, position: null })
  }

  /**
   * Closes them.
   * @throws RangeError when the code may not be sent
   */
  close(code = 1000, reason = ''): Promise<Delivery> {
    checkCode(code)
    return this.#do({ do: 'close', reason: { code, reason: cutReason(reason) } })
  }

  /** @throws RangeError when the name cannot be one */
  join(room: string): Promise<Delivery> {
    checkName('room', room)
    return this.#do({ do: 'join', room })
  }

  leave(room: string): Promise<Delivery> {
    return this.#do({ do: 'leave', room })
  }

  #do(order: Order): Promise<Delivery> {
    const local = this.#local.apply(this.#address, order)
    const relayed = this.#cluster.relay(this.#address, order)
    if (relayed === null) return Promise.resolve({ local, status: 'local' })
    return relayed.then(({ status }) => ({ local, status }))
  }
}
