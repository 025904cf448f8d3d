import { textFrame } from '../../frames.ts'
import { upgradeRequest } from '../../load/tunnel.ts'
import type { Role } from '../roles.ts'

export type DialectName = 'plain' | 'socket.io'

/** How a peer is spoken to: plain messages, or Socket.IO's packets in messages. */
export interface Dialect {
  request(role: Role): Uint8Array
  /** What a client says first, if anything. */
  readonly greeting: Uint8Array | null
  /** So many messages of the server come before the first that counts. */
  readonly welcomes: number
  message(text: string): Uint8Array
}

export const dialects: Record<DialectName, Dialect> = {
  plain: {
    request: (role) => upgradeRequest(`/?role=${role}`),
    greeting: null,
    welcomes: 0,
    message: textFrame,
  },
  // Engine.IO 4: its handshake, then Socket.IO's CONNECT to the main namespace, each answered in a message.
  'socket.io': {
    request: (role) => upgradeRequest(`/socket.io/?EIO=4&transport=websocket&role=${role}`),
    greeting: textFrame('40'),
    welcomes: 2,
    message: (text) => textFrame(`42${JSON.stringify(['message', text])}`),
  },
}
