import { createServer, type ListenOptions, Socket as Stream } from 'node:net'
import { NodeSocket, onConnect, onData, onread } from './node-socket.ts'
import type { ConnectTarget, Listener, ListenTarget, Socket, SocketHandler, SocketPort } from './socket.ts'
import { socketError } from './socket-error.ts'
import { surface } from './surface.ts'
import { unclaimed } from './unclaimed.ts'
import { claimUnixPath } from './unix-path.ts'

const backlog = 4096

/** Two of Node's reads fit, so that a full one (64 KiB) to an empty queue is not yet too much. */
const highWaterMark = 131_072

const streamOptions = { allowHalfOpen: true, noDelay: true, highWaterMark }

const connectOptions = { ...streamOptions, onread }

/** The socket port over `node:net`. */
export const nodeSockets: SocketPort = { runtime: 'node', listen, connect }

function connect(
  target: ConnectTarget,
  connectTimeout: number,
  handler: SocketHandler,
  context: unknown,
): Socket {
  const stream = new Stream(connectOptions)
  const socket = new NodeSocket(stream, handler, context)
  stream.on('connect', onConnect)
  socket.limitConnect(connectTimeout)
  try {
    if ('path' in target) stream.connect(target.path)
    else stream.connect({ host: target.ip, port: target.port, autoSelectFamily: false })
  } catch (error) {
    socket.failed(socketError(error))
    stream.destroy()
  }
  return socket
}

async function listen(target: ListenTarget, onConnection: (socket: Socket) => void): Promise<Listener> {
  if ('path' in target) await claimUnixPath(target.path, connect)
  const server = createServer(streamOptions, (stream) => {
    const socket = new NodeSocket(stream, unclaimed, undefined)
    stream.on('data', onData)
    try {
      onConnection(socket)
    } catch (error) {
      socket.abort()
      surface(error)
    }
    if (socket.handler === unclaimed) socket.abort()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...address(target), backlog }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
  // A failed accept (out of descriptors) concerns one connection, not the listener.
  server.on('error', () => {})
  const bound = server.address()
  return {
    port: 'port' in target && typeof bound === 'object' && bound !== null ? bound.port : 0,
    async close() {
      // Not awaited: Node tells the end only when the last live connection is gone.
      server.close()
    },
  }
}

function address(target: ListenTarget): ListenOptions & { fd?: number } {
  if ('path' in target) return { path: target.path }
  if ('fd' in target) return { fd: target.fd }
  return target.host === undefined ? { port: target.port } : { port: target.port, host: target.host }
}
