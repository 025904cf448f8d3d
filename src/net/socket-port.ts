import { bunSockets } from './bun-sockets.ts'
import { nodeSockets } from './node-sockets.ts'
import type { SocketPort } from './socket.ts'

/** The adapter for the runtime this process runs on. */
export const socketPort: SocketPort = process.versions.bun === undefined ? nodeSockets : bunSockets
