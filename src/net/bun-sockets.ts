import type { SocketHandler as BunHandler } from 'bun'
import { BunSocket, failed, type Handle } from './bun-socket.ts'
import type { ConnectTarget, Listener, ListenTarget, Socket, SocketHandler, SocketPort } from './socket.ts'
import { socketError } from './socket-error.ts'
import { unclaimed } from './unclaimed.ts'
import { claimUnixPath } from './unix-path.ts'

const backlog = 4096

/** The socket port over Bun's raw sockets. */
export const bunSockets: SocketPort = { runtime: 'bun', listen, connect }

type Accept = (socket: Socket) => void

/** `error` catches what the owner's handler throws inside any callback. */
const common = {
  data(handle: Handle, chunk: Buffer): void {
    handle.data.received(chunk)
  },
  drain(handle: Handle): void {
    handle.data.drained()
  },
  end(handle: Handle): void {
    handle.data.peerEnded()
  },
  close(handle: Handle, error?: Error): void {
    handle.data.handleClosed(error)
  },
  error(handle: Handle, error: Error): void {
    failed(handle.data, error)
  },
}

const connecting: BunHandler<BunSocket> = {
  ...common,
  open(handle) {
    handle.data.opened(handle)
  },
  connectError(handle, error) {
    handle.data.finish(socketError(error))
  },
}

/** An accepted socket starts with its listener's `data`, which is the function to hand it to. */
const accepting: BunHandler<BunSocket> = {
  ...common,
  open(handle) {
    const accept = handle.data as unknown as Accept
    const socket = new BunSocket(handle, unclaimed, undefined)
    handle.data = socket
    accept(socket)
    if (socket.handler === unclaimed) socket.abort()
  },
}

function connect(
  target: ConnectTarget,
  connectTimeout: number,
  handler: SocketHandler,
  context: unknown,
): Socket {
  const socket = new BunSocket(null, handler, context)
  const options = { socket: connecting, data: socket, allowHalfOpen: true }
  try {
    // The promise is of no use: it rejects after connectError, and resolves after open.
    if ('path' in target) Bun.connect({ ...options, unix: target.path })
    else Bun.connect({ ...options, hostname: target.ip, port: target.port })
    socket.limitConnect(connectTimeout)
  } catch (error) {
    socket.finish(socketError(error))
  }
  return socket
}

async function listen(target: ListenTarget, onConnection: Accept): Promise<Listener> {
  if ('path' in target) await claimUnixPath(target.path, connect)
  const server = open(target, onConnection)
  raiseBacklog(server)
  return {
    port: 'port' in target ? (server.port ?? 0) : 0,
    async close() {
      server.stop()
    },
  }
}

interface Server {
  readonly port?: number
  readonly fd?: number
  stop(): void
}

function open(target: ListenTarget, onConnection: Accept): Server {
  const options = { socket: accepting, data: onConnection as unknown as BunSocket, allowHalfOpen: true }
  if ('path' in target) return Bun.listen({ ...options, unix: target.path }) as Server
  if ('fd' in target) return Bun.listen({ ...options, fd: target.fd } as never) as Server
  if (target.host !== undefined) return Bun.listen({ ...options, hostname: target.host, port: target.port })
  try {
    return Bun.listen({ ...options, hostname: '::', port: target.port })
  } catch (error) {
    if (!noIpv6.has(socketError(error).raw)) throw error
    return Bun.listen({ ...options, hostname: '0.0.0.0', port: target.port })
  }
}

/** What binding `::` says on a machine without IPv6. */
const noIpv6: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'])

/**
 * Bun listens with a backlog of 512 and offers no option. A second listen(2) on the same descriptor raises it;
 * where that cannot be called (no FFI, another libc) 512 has to do.
 */
async function raiseBacklog(server: Server): Promise<void> {
  if (server.fd === undefined || server.fd < 0) return
  try {
    const { dlopen } = await import('bun:ffi')
    const library = dlopen('libc.so.6', { listen: { args: ['i32', 'i32'], returns: 'i32' } })
    library.symbols.listen(server.fd, backlog)
    library.close()
  } catch {}
}
