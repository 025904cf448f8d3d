import type { Position } from './cluster.ts'
import type { Data } from './local.ts'

/**
 * What became of a message.
 * `sent`: it leaves at the end of this turn of the event loop. `queued`: it waits, because the peer does not keep up.
 * `dropped`: the send queue was full, and its policy chose this message. `closed`: there is no connection any more.
 */
export type SendResult = 'sent' | 'queued' | 'dropped' | 'closed'

export interface SendOptions {
  /** With `whenFull: 'conflate'`: a message that still waits with the same key is replaced by this one. */
  readonly key?: string
}

export interface JoinOptions {
  /** The position of the last message that it has, as the client sent it back; null when it has none. */
  readonly since: Position | null
}

/** How a connection came into a room with history. */
export interface Joined {
  /** False when it was in it before, has left it meanwhile, or is closed: then nothing was sent. */
  readonly joined: boolean
  /** Messages that it was sent. What comes live continues behind them without a hole. */
  readonly recovered: number
  /** Of the last of them, or of the last in the room; null when the history cannot be read now. */
  readonly position: Position | null
  /** Whether it has everything since its position. When not, it has to load the present state in another way. */
  readonly complete: boolean
}

/** Handles one message. The next one of this connection waits until it has returned and its promise is settled. */
export type MessageHandler = (data: string | Uint8Array) => unknown

/** How a connection ended. */
export interface CloseInfo {
  /** Of the Close; 1005 without one in it, 1006 without a Close. */
  readonly code: number
  readonly reason: string
  /** Who ended it; the client, too, when it broke the protocol or a limit and was sent 1002, 1007, 1008 or 1009 for it. */
  readonly by: 'client' | 'server'
}

export type CloseHandler = (info: CloseInfo) => void

/** One client's WebSocket on this node. After its end every method does nothing. */
export interface Connection<UserData = undefined> {
  /** `<node>.<random>`: says where it is, and cannot be guessed. */
  readonly id: string
  /** Whose it is, as `authenticate` said. */
  readonly user: string | null
  /** What `authenticate` gave along. */
  readonly data: UserData
  /** IP address of the TCP peer; `''` on Unix sockets. */
  readonly remoteAddress: string
  /** The subprotocol that was agreed on. */
  readonly protocol: string | null
  readonly isOpen: boolean
  /** Rooms that it is in. */
  readonly rooms: ReadonlySet<string>
  /**
   * Bytes that wait for the peer: those in the send queue and those that the kernel has not taken. On Bun without what
   * was sent to a room of 64 and more in the present turn.
   */
  readonly queuedBytes: number

  /** @throws TypeError when `data` is neither text nor bytes */
  send(data: Data, options?: SendOptions): SendResult
  /**
   * Closes it, behind what was sent. What has arrived and not been handled is not handled any more.
   * @param code 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999. @default 1000
   * @param reason is cut after 123 bytes of UTF-8
   * @throws RangeError when the code may not be sent
   */
  close(code?: number, reason?: string): void
  /** Cuts it. */
  terminate(): void
  /**
   * Whether it was not in the room before.
   * @throws RangeError when the name is not 1 to 128 characters without control characters
   */
  join(room: string): boolean
  /**
   * Comes into a room with history where it left it: is sent what it missed, then what comes live. Waits for the
   * history for `questionTimeout`; then it comes in without it. `leave` takes it back. Without a position
   * (`since: null`) it is sent nothing and learns where the room is.
   * @throws FairleadError `CONFIG_INVALID` when the room has no history
   * @throws RangeError when `since` is no position
   */
  join(room: string, options: JoinOptions): Promise<Joined>
  /** Whether it was in the room. */
  leave(room: string): boolean

  /**
   * Handles its messages, one after the other. One that throws, or whose promise rejects, closes the connection with
   * 1011. Returns how to stop.
   */
  on(event: 'message', handler: MessageHandler): () => void
  /** Is told how it ended, once; soon, if it has ended already. */
  on(event: 'close', handler: CloseHandler): () => void
}
