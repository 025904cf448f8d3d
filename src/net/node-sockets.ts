import {
  createServer,
  type ListenOptions,
  type Server,
  type SocketConstructorOpts,
  Socket as Stream,
} from 'node:net'
import { readInto } from './node-read-buffer.ts'
import { NodeSocket, onConnect, onData, onLentData } from './node-socket.ts'
import type { ConnectTarget, Listener, ListenTarget, Socket, SocketHandler, SocketPort } from './socket.ts'
import { socketError } from './socket-error.ts'
import { surface } from './surface.ts'
import { unclaimed } from './unclaimed.ts'
import { claimUnixPath } from './unix-path.ts'

const backlog = 4096

/** One read fits twice, so that a full one to an empty queue is not yet too much. */
const highWaterMark = 262_144

const streamOptions = { allowHalfOpen: true, noDelay: true, highWaterMark }

/** Node has `onread` for the sockets one makes oneself only. */
const lendingOptions = { ...streamOptions, onread: readInto(onLentData) }

/** The socket port over `node:net`. */
export const nodeSockets: SocketPort = {
  runtime: 'node',
  listen: (...call) => listen(adoptHandles, ...call),
  connect,
}

/** The same by documented means only: what `nodeSockets` falls back to where Node's inside is another. */
export const documentedNodeSockets: SocketPort = {
  runtime: 'node',
  listen: (...call) => listen(() => {}, ...call),
  connect,
}

function connect(
  target: ConnectTarget,
  connectTimeout: number,
  handler: SocketHandler,
  context: unknown,
): Socket {
  const stream = new Stream(lendingOptions)
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

type Accept = (stream: Stream) => void

async function listen(
  adopt: (server: Server, accept: Accept) => void,
  target: ListenTarget,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  if ('path' in target) await claimUnixPath(target.path, connect)
  const accept: Accept = (stream) => {
    const socket = new NodeSocket(stream, unclaimed, undefined)
    try {
      onConnection(socket)
    } catch (error) {
      socket.abort()
      surface(error)
    }
    if (socket.handler === unclaimed) socket.abort()
  }
  const server = createServer(streamOptions, (stream) => {
    accept(stream)
    stream.on('data', onData)
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
  adopt(server, accept)
  const bound = server.address()
  return {
    port: 'port' in target && typeof bound === 'object' && bound !== null ? bound.port : 0,
    async close() {
      // Not awaited: Node tells the end only when the last live connection is gone.
      server.close()
    },
  }
}

/** The part of a server's handle that hands over accepted connections. Node's own, not documented. */
interface ListeningHandle {
  onconnection?: (status: number, accepted?: { setNoDelay?(on: boolean): void }) => void
}

/**
 * Makes the sockets of accepted connections ourselves, for `onread`: it halves the cost of large messages and
 * has no documented way. Does nothing where the handle does not look as expected; then reads allocate.
 */
function adoptHandles(server: Server, accept: Accept): void {
  const handle = (server as unknown as { _handle?: ListeningHandle | null })._handle
  if (typeof handle?.onconnection !== 'function') return
  handle.onconnection = (status, accepted) => {
    if (status !== 0 || accepted === undefined) return
    accepted.setNoDelay?.(true)
    accept(new Stream({ ...lendingOptions, handle: accepted } as unknown as SocketConstructorOpts))
  }
}

function address(target: ListenTarget): ListenOptions & { fd?: number } {
  if ('path' in target) return { path: target.path }
  if ('fd' in target) return { fd: target.fd }
  return target.host === undefined ? { port: target.port } : { port: target.port, host: target.host }
}
