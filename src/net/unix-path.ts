import { lstat, unlink } from 'node:fs/promises'
import type { SocketError, SocketHandler, SocketPort } from './socket.ts'

/** Local connects answer at once; a listener too busy to answer within this is alive. */
const probeTimeout = 1000

/**
 * Makes a path free to listen on: removes a socket file left by a process that died. Leaves everything else,
 * for listen(2) to refuse: a socket somebody listens on, a file of another kind.
 */
export async function claimUnixPath(path: string, connect: SocketPort['connect']): Promise<void> {
  const stats = await lstat(path).catch(() => null)
  if (stats === null || !stats.isSocket()) return
  const error = await new Promise<SocketError | null>((resolve) => {
    connect({ path }, probeTimeout, probe, resolve)
  })
  if (error?.code === 'refused') await unlink(path).catch(() => {})
}

const probe: SocketHandler = {
  onOpen(socket) {
    socket.abort()
  },
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose(socket, error) {
    const resolve = socket.context as (error: SocketError | null) => void
    resolve(error)
  },
}
