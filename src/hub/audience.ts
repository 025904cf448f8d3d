import { checkCode, cutReason } from './closing.ts'
import type { Answers } from './cluster/questions.ts'
import type { Connection } from './connection.ts'
import type { Delivery, Dispatch } from './dispatch.ts'
import type { Address, Data } from './local.ts'
import { checkName } from './names.ts'

export interface AudienceSendOptions {
  /** A connection that does not get it, such as the one it came from. */
  readonly except?: Pick<Connection<unknown>, 'id'> | string
  /** With `whenFull: 'conflate'`: a message that still waits with the same key is replaced by this one. */
  readonly key?: string
}

/** How many there are: together, and node by node. */
export interface Count extends Answers<number> {
  /** On the nodes that answered. */
  readonly total: number
}

/**
 * Connections that are addressed together, wherever in the cluster they are. What concerns those of this node is done
 * when a method returns (but for messages to rooms with history, which are kept first); the promise tells about the
 * other nodes, and never rejects.
 */
export class Audience {
  readonly #dispatch: Dispatch
  readonly #address: Address

  /** @internal */
  constructor(dispatch: Dispatch, address: Address) {
    this.#dispatch = dispatch
    this.#address = address
  }

  /** How many there are on this node. */
  get localCount(): number {
    return this.#dispatch.local.count(this.#address)
  }

  /** Asks every node how many there are. */
  async count(): Promise<Count> {
    const { results, missing } = await this.#dispatch.cluster.count(this.#address)
    const counts = results.map(({ node, value }) => ({ node, value: Number(value) }))
    return { total: counts.reduce((sum, { value }) => sum + value, 0), results: counts, missing }
  }

  /** @throws TypeError when `data` is neither text nor bytes */
  send(data: Data, options: AudienceSendOptions = {}): Promise<Delivery> {
    const { except, key = null } = options
    const id = typeof except === 'object' ? except.id : (except ?? null)
    return this.#dispatch.order(this.#address, { do: 'send', data, except: id, key, position: null })
  }

  /**
   * Closes them.
   * @throws RangeError when the code may not be sent
   */
  close(code = 1000, reason = ''): Promise<Delivery> {
    checkCode(code)
    return this.#dispatch.order(this.#address, { do: 'close', reason: { code, reason: cutReason(reason) } })
  }

  /** @throws RangeError when the name cannot be one */
  join(room: string): Promise<Delivery> {
    checkName('room', room)
    return this.#dispatch.order(this.#address, { do: 'join', room })
  }

  leave(room: string): Promise<Delivery> {
    return this.#dispatch.order(this.#address, { do: 'leave', room })
  }
}
