import type { SocketHandler } from './socket.ts'

/**
 * The handler an accepted socket has until its owner sets one. A socket that still has it when `onConnection`
 * returned belongs to nobody and is reset.
 */
export const unclaimed: SocketHandler = {
  onOpen() {},
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
}
