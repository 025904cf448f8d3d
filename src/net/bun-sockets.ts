import { closeSync, openSync } from 'node:fs'
import type { SocketHandler as BunHandler } from 'bun'
import { BunSocket, givenUpConnects, type Handle } from './bun-socket.ts'
import type {
  ConnectTarget,
  Listener,
  ListenTarget,
  Socket,
  SocketError,
  SocketHandler,
  SocketPort,
} from './socket.ts'
import { socketError } from './socket-error.ts'
import { surface } from './surface.ts'
import { unclaimed } from './unclaimed.ts'
import { claimUnixPath } from './unix-path.ts'

const backlog = 4096

/** The socket port over Bun's raw sockets. */
export const bunSockets: SocketPort = {
  runtime: 'bun',
  listen,
  connect,
  collectGarbage: () => Bun.gc(true),
  givenUpConnects,
}

type Accept = (socket: Socket) => void

const callbacks = {
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
  /** What an owner's handler threw inside one of the others; an error of the network never comes here. */
  error(handle: Handle, error: Error): void {
    handle.data.abort()
    surface(error)
  },
}

/** The attempt whose `Bun.connect` has not returned yet. */
let starting: { readonly socket: BunSocket; readonly target: ConnectTarget } | null = null

const connecting: BunHandler<BunSocket> = {
  ...callbacks,
  open(handle) {
    handle.data.opened(handle)
  },
  connectError(handle, error) {
    const socket = handle.data
    const failure = socketError(error)
    socket.connectFailed(starting?.socket === socket ? immediateFailure(failure, starting.target) : failure)
  },
}

/** An accepted socket comes with its listener's `data`, which is the function to hand it to. */
const accepting: BunHandler<BunSocket> = {
  ...callbacks,
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
  starting = { socket, target }
  try {
    // The promise is of no use: it settles after `open` or `connectError`, which know more.
    if ('path' in target) {
      Bun.connect({ unix: target.path, socket: connecting, data: socket, allowHalfOpen: true })
    } else {
      const { ip: hostname, port } = target
      Bun.connect({ hostname, port, socket: connecting, data: socket, allowHalfOpen: true })
    }
    socket.limitConnect(connectTimeout)
  } catch (error) {
    socket.connectFailed(socketError(error))
  }
  starting = null
  return socket
}

/**
 * What a failure means that comes before `Bun.connect` returns. Bun 1.4 says ECONNREFUSED whatever the cause,
 * but over TCP a refusal is an answer and comes later. The causes left are no descriptor and no route.
 */
function immediateFailure(failure: SocketError, target: ConnectTarget): SocketError {
  if (failure.raw !== 'ECONNREFUSED') return failure
  try {
    closeSync(openSync('/dev/null', 'r'))
  } catch (error) {
    return socketError(error)
  }
  if ('path' in target) return failure
  return { code: 'unreachable', raw: 'ENETUNREACH', message: `no route to ${target.ip}` }
}

async function listen(target: ListenTarget, onConnection: Accept): Promise<Listener> {
  if ('path' in target) await claimUnixPath(target.path, connect)
  const server = open(target, onConnection)
  await raiseBacklog(server)
  return {
    port: 'port' in target ? (server.port ?? 0) : 0,
    async close() {
      server.stop()
    },
  }
}

/** What Bun.listen returns; `fd` is not in its types. */
interface Server {
  readonly port?: number
  readonly fd?: number
  stop(): void
}

function open(target: ListenTarget, onConnection: Accept): Server {
  const options = { socket: accepting, data: onConnection as unknown as BunSocket, allowHalfOpen: true }
  if ('path' in target) return Bun.listen({ ...options, unix: target.path }) as unknown as Server
  // Not in Bun's types either.
  if ('fd' in target) return Bun.listen({ ...options, fd: target.fd } as never) as Server
  const { host, port } = target
  if (host !== undefined) return Bun.listen({ ...options, hostname: host, port })
  try {
    return Bun.listen({ ...options, hostname: '::', port })
  } catch (error) {
    if (!withoutIpv6.has(socketError(error).raw)) throw error
    return Bun.listen({ ...options, hostname: '0.0.0.0', port })
  }
}

/** What binding `::` says on a machine without IPv6. */
const withoutIpv6: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'])

/**
 * Bun listens with a backlog of 512 and has no option for it. A second listen(2) on the descriptor raises it;
 * where that cannot be called (no FFI, another libc, another system) 512 has to do.
 */
async function raiseBacklog(server: Server): Promise<void> {
  if (server.fd === undefined || server.fd < 0) return
  try {
    const { dlopen } = await import('bun:ffi')
    const libc = dlopen('libc.so.6', { listen: { args: ['i32', 'i32'], returns: 'i32' } })
    libc.symbols.listen(server.fd, backlog)
    libc.close()
  } catch {}
}
