import { systemClock } from './clock.ts'
import type { Position } from './cluster.ts'
import type { Joined } from './connection.ts'
import type { LiveConnection } from './live-connection.ts'
import type { ClusterHalf, RecoveredMessage, Recovery } from './local.ts'
import { Message } from './message.ts'
import type { RoomRules } from './room-rules.ts'

const notJoined: Joined = { joined: false, recovered: 0, position: null, complete: false }
const without: Recovery = { position: null, messages: [], complete: false }

/** What may wait for one who comes back, outside the limit of its send queue: of all rooms, besides `maxRecovered`. */
const mostBytes = 16 * 1024 * 1024

export interface RecoveriesOptions {
  readonly cluster: Pick<ClusterHalf, 'recover'>
  readonly rules: Pick<RoomRules, 'stamp'>
  /** Milliseconds for the history. */
  readonly patience: number
}

interface Coming {
  readonly room: string
  readonly giveUp: () => void
}

/** Connections that come into rooms with history where they left them, and wait for it. */
export class Recoveries {
  readonly #options: RecoveriesOptions
  readonly #coming = new Map<LiveConnection, Set<Coming>>()

  constructor(options: RecoveriesOptions) {
    this.#options = options
  }

  /** Lets a connection in with what it missed; without it when that takes too long. */
  begin(connection: LiveConnection, room: string, since: Position | null): Promise<Joined> {
    if (!connection.isOpen) return Promise.resolve(notJoined)
    const { promise, resolve } = Promise.withResolvers<Joined>()
    const { cluster, patience } = this.#options
    const abort = new AbortController()
    const settle = (enter: () => Joined) => {
      if (!this.#remove(connection, coming)) return
      cancel()
      resolve(enter())
    }
    const coming: Coming = {
      room,
      giveUp() {
        settle(() => notJoined)
        abort.abort()
      },
    }
    const cancel = systemClock.after(patience, () => {
      settle(() => this.#enter(connection, room, since, without))
      abort.abort()
    })
    this.#coming.set(connection, (this.#coming.get(connection) ?? new Set()).add(coming))
    const admit = (recovery: Recovery) => settle(() => this.#enter(connection, room, since, recovery))
    void cluster.recover(room, since, admit, abort.signal)
    return promise
  }

  /** It does not come into this room any more; without a room, into none. */
  giveUp(connection: LiveConnection, room: string | null): void {
    for (const coming of this.#coming.get(connection) ?? []) {
      if (room === null || coming.room === room) coming.giveUp()
    }
  }

  /** Whether it was still coming. */
  #remove(connection: LiveConnection, coming: Coming): boolean {
    const all = this.#coming.get(connection)
    if (all?.delete(coming) !== true) return false
    if (all.size === 0) this.#coming.delete(connection)
    return true
  }

  #enter(connection: LiveConnection, room: string, since: Position | null, recovery: Recovery): Joined {
    const { position, messages, complete } = recovery
    if (!connection.isOpen || connection.rooms.has(room)) return notJoined
    // Before it joins: who has something of a room is sent to by itself.
    if (position === null && since !== null) {
      connection.had ??= new Map()
      connection.had.set(room, since)
    }
    connection.join(room)
    const sent = this.#newest(room, messages, mostBytes - connection.recoveringBytes)
    for (const message of sent) connection.deliver(message, null, 'recovered')
    const whole = sent.length === messages.length && connection.isOpen
    return { joined: true, recovered: sent.length, position, complete: complete && whole }
  }

  /** As clients are sent them, the last of them: one more than `most` bytes have room for. */
  #newest(room: string, messages: readonly RecoveredMessage[], most: number): Message[] {
    const sent: Message[] = []
    let bytes = 0
    for (let at = messages.length - 1; at >= 0 && bytes < most; at--) {
      const { position, data } = messages[at] as RecoveredMessage
      const message = new Message(this.#options.rules.stamp(room, data, position))
      bytes += message.size
      sent.push(message)
    }
    return sent.reverse()
  }
}
