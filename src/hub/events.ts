import type { CloseInfo, Connection } from './connection.ts'
import type { WhenFull } from './send-queue.ts'

/** What a hub tells, besides `connection` and `message`, which are handled and not only heard. */
export interface HubEvents<UserData = undefined> {
  close: ConnectionEnd<UserData>
  /** A send queue is full, for the first time since it was empty. */
  slowConsumer: SlowConsumer<UserData>
  /** A handshake was refused. */
  refused: RefusedHandshake
}

export interface ConnectionEnd<UserData = undefined> extends CloseInfo {
  readonly connection: Connection<UserData>
}

export interface SlowConsumer<UserData = undefined> {
  readonly connection: Connection<UserData>
  readonly queuedBytes: number
  readonly whenFull: WhenFull
}

export interface RefusedHandshake {
  readonly status: number
  readonly reason: string
  readonly remoteAddress: string
}

/** One message and whose it is. */
export interface ReceivedMessage<UserData = undefined> {
  readonly connection: Connection<UserData>
  readonly data: string | Uint8Array
}
