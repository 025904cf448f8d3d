import type { SocketPort } from './socket.ts'

/** The adapter for the runtime this process runs on. */
export async function loadSocketPort(): Promise<SocketPort> {
  if (process.versions.bun !== undefined) return (await import('./bun-sockets.ts')).bunSockets
  return (await import('./node-sockets.ts')).nodeSockets
}
