import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectTarget, Listener, ListenTarget, Socket, SocketPort } from '../socket.ts'
import { type Reactions, Recorder } from './recorder.ts'

/** Both ends of one connection, each with the recorder that is its handler. */
export interface Pair extends AsyncDisposable {
  readonly client: Socket
  readonly clientSide: Recorder
  readonly server: Socket
  readonly serverSide: Recorder
}

export interface PairOptions {
  readonly listen?: ListenTarget
  /** What the client does inside its callbacks. */
  readonly client?: Reactions
  readonly server?: Reactions
  /** What happens to the accepted socket before anything else. */
  readonly accepted?: (socket: Socket) => void
  /** What happens to the client's socket before it is open. */
  readonly connecting?: (socket: Socket) => void
}

const loopback = '127.0.0.1'

/** Longer than any test. */
export const patient = 30_000

function targetOf(listen: ListenTarget, listener: Listener): ConnectTarget {
  if ('path' in listen) return { path: listen.path }
  const host = 'host' in listen ? listen.host : undefined
  return { ip: host ?? loopback, port: listener.port }
}

/** Listens, connects, and waits until both ends are there. */
export async function connectPair(port: SocketPort, options: PairOptions = {}): Promise<Pair> {
  const clientSide = new Recorder(options.client)
  const serverSide = new Recorder(options.server)
  const accepted = Promise.withResolvers<Socket>()
  const target = options.listen ?? { host: loopback, port: 0 }
  const listener = await port.listen(target, (socket) => {
    socket.handler = serverSide
    options.accepted?.(socket)
    accepted.resolve(socket)
  })
  const client = port.connect(targetOf(target, listener), patient, clientSide, null)
  options.connecting?.(client)
  const server = await accepted.promise
  await clientSide.until(() => clientSide.events.length > 0)
  await listener.close()
  return {
    client,
    clientSide,
    server,
    serverSide,
    async [Symbol.asyncDispose]() {
      client.abort()
      server.abort()
      await Promise.all([clientSide.closed(), serverSide.closed()])
    },
  }
}

/** Lets the event loop poll the sockets this many times. */
export async function loopTurns(turns = 30): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits for something outside the event loop's sight, such as the kernel's table of descriptors. */
export async function eventually(holds: () => boolean, milliseconds = 8000): Promise<boolean> {
  const deadline = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return true
}

/** Open descriptors of this process; 0 where the system does not tell. */
export function descriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

/** Bytes that differ everywhere, so that a lost, doubled or moved one shows. */
export function pattern(length: number, start = 0): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) {
    const at = start + i
    bytes[i] = (at ^ (at >>> 8) ^ (at >>> 16)) & 255
  }
  return bytes
}

export function digest(chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha1')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/** A directory of one's own, for Unix sockets. */
export function temporaryDirectory(): Disposable & { path(name: string): string } {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-'))
  return {
    path: (name) => join(directory, name),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}

/** Writes until the socket says stop (a closed one never does). Returns the bytes written. */
export function fill(socket: Socket): number {
  for (let bytes = 0; bytes < 64_000_000; ) {
    const chunk = pattern(65_536, bytes)
    bytes += chunk.length
    if (!socket.write(chunk)) return bytes
  }
  return 0
}
