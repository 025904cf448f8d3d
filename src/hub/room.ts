import { FairleadError } from '../core/errors.ts'
import { Audience } from './audience.ts'
import type { Missing } from './cluster/questions.ts'
import type { Position } from './cluster.ts'
import type { Dispatch } from './dispatch.ts'
import type { Recovery } from './local.ts'
import { checkPosition } from './positions.ts'

/** Who is present, one page of them. */
export interface PresencePage {
  /** Ids of users; of a connection without user, its own id. */
  readonly users: readonly string[]
  /** Give it as `after` for the next page, on the same node; null after the last. */
  readonly next: number | null
  /** Nodes of whose users not everything is known just now: of those who are listed some may have gone. */
  readonly missing: readonly Missing[]
}

export interface PresenceCount {
  readonly count: number
  /** Nodes whose part may not be in it, or be an old one. */
  readonly missing: readonly Missing[]
}

export interface ListOptions {
  /** `next` of the page before. @default 0, from the first on */
  readonly after?: number
  /** 1 to 10,000. @default 100 */
  readonly limit?: number
}

/** Who is in a room, or connected at all, over all nodes: users, not connections. */
export class PresenceView {
  readonly #cluster: Dispatch['cluster']
  readonly #room: string

  /** @internal */
  constructor(cluster: Dispatch['cluster'], room: string) {
    this.#cluster = cluster
    this.#room = room
  }

  async count(): Promise<PresenceCount> {
    const { value, missing } = await this.#cluster.presence.count(this.#room)
    return { count: value, missing }
  }

  /** In the order in which this node heard of them. Who is there from the first page to the last is in one of them. */
  async list(options: ListOptions = {}): Promise<PresencePage> {
    const { after = 0, limit = 100 } = options
    checkWhole('after', after, 0, Number.MAX_SAFE_INTEGER)
    checkWhole('limit', limit, 1, 10_000)
    const { value, missing } = await this.#cluster.presence.list(this.#room, after, limit)
    return { users: value.items, next: value.next, missing }
  }

  /** Connections of one user. */
  async devices(user: string): Promise<PresenceCount> {
    const { value, missing } = await this.#cluster.presence.devices(this.#room, user)
    return { count: value, missing }
  }
}

/** Those who are in a room. */
export class Room extends Audience {
  readonly name: string
  readonly #dispatch: Dispatch

  /** @internal */
  constructor(dispatch: Dispatch, name: string) {
    super(dispatch, { kind: 'room', name })
    this.name = name
    this.#dispatch = dispatch
  }

  /**
   * Which users are in it.
   * @throws FairleadError `CONFIG_INVALID` when the room has no presence
   */
  get presence(): PresenceView {
    if (!this.#dispatch.rules.hasPresence(this.name)) throw lacks(this.name, 'presence: true')
    return new PresenceView(this.#dispatch.cluster, this.name)
  }

  /**
   * What the room keeps after `since`, oldest first; without it, the last `limit` messages. `complete` is false when
   * something after `since` is gone or there is more than `limit`.
   * @throws FairleadError `CONFIG_INVALID` when the room has no history; of source `cluster` when the broker is away
   * @throws RangeError when `since` is no position
   */
  async history(since: Position | null = null, limit = 100): Promise<Recovery> {
    if (this.#dispatch.rules.history(this.name) === null) throw lacks(this.name, 'history: { size, age }')
    checkWhole('limit', limit, 1, 100_000)
    return this.#dispatch.cluster.read(this.name, checkPosition(since), limit)
  }
}

/** What is asked of a room needs an option that it was not given. */
export function lacks(room: string, option: string): FairleadError {
  const what = `rooms: the room ${JSON.stringify(room)} was not given ${option}`
  return new FairleadError('CONFIG_INVALID', what, { source: 'config', retryable: false })
}

function checkWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new RangeError(`expected a whole number from ${least} to ${most} as ${what}, found ${value}`)
}
