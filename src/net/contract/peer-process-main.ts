// The program of a PeerProcess: other ends and other processes for the contract suite.
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import type { Socket, SocketPort } from '../socket.ts'
import { socketPort } from '../socket-port.ts'
import { Recorder } from './recorder.ts'
import { connectPair, fill, loopTurns, patient } from './workbench.ts'

const [role = '', ...parameters] = process.argv.slice(2)

/** What an ordinary owner does: sends everything back, and ends when the peer does. */
const echo = {
  onOpen() {},
  onData: (socket: Socket, chunk: Uint8Array) => void socket.write(chunk),
  onDrain() {},
  onEnd: (socket: Socket) => socket.end(),
  onClose() {},
}

const roles: Record<string, () => Promise<void>> = {
  /** Listens with the shortest backlog and blocks until told to go on. */
  async full() {
    const port = process.versions.bun === undefined ? await fullOnNode() : await fullOnBun()
    // Both calls block, so the loop accepts nothing in between.
    writeSync(1, `${port}\n`)
    readSync(0, new Uint8Array(16))
    setInterval(() => {}, 1000)
  },

  /** Waits for a byte, then sends a tail and resets; leaves a file when that is done. */
  async reset() {
    const [port, flag = ''] = parameters
    const peer = new Recorder({
      onData(socket) {
        socket.write(Buffer.from('tail'))
        socket.abort()
        writeFileSync(flag, '')
      },
    })
    socketPort.connect({ ip: '127.0.0.1', port: Number(port) }, patient, peer, null)
    await peer.closed()
  },

  /** Sends a farewell and its FIN, then resets on the first byte; leaves a file when that is done. */
  async farewell() {
    const [port, flag = ''] = parameters
    const peer = new Recorder({
      onOpen(socket) {
        socket.write(Buffer.from('tail'))
        socket.end()
      },
      onData(socket) {
        socket.abort()
        writeFileSync(flag, '')
      },
    })
    socketPort.connect({ ip: '127.0.0.1', port: Number(port) }, patient, peer, null)
    await peer.closed()
  },

  /** Connects many times at once and says how many were open before the peer can have accepted any. */
  async storm() {
    const [port, count] = parameters.map(Number) as [number, number]
    let open = 0
    const sides: Recorder[] = []
    for (let i = 0; i < count; i++) {
      const side = new Recorder({ onOpen: () => void open++ })
      socketPort.connect({ ip: '127.0.0.1', port }, 4000, side, null)
      sides.push(side)
    }
    await Promise.all(sides.map((side) => side.until(() => side.events.length > 0)))
    console.log(open)
    process.exit(0)
  },

  /** Echoes on the listening descriptor it was given. */
  async descriptor() {
    const port = await subject()
    await port.listen({ fd: 3 }, (socket) => {
      socket.handler = echo
    })
    console.log('ready')
  },

  /** Leaves a Unix socket behind: the parent kills it. */
  async leftover() {
    const [path = ''] = parameters
    await socketPort.listen({ path }, (socket) => socket.abort())
    console.log('ready')
  },

  /** Throws in each callback and prints what came of it. */
  async throwing() {
    const uncaught: string[] = []
    process.on('uncaughtException', (error) => void uncaught.push(error.message))
    process.on('unhandledRejection', () => void uncaught.push('unhandled rejection'))
    const port = await subject()
    const results: Record<string, unknown> = {}
    for (const where of ['onOpen', 'onData', 'onDrain', 'onEnd', 'onClose']) {
      results[where] = [await throwIn(port, where), ...uncaught.splice(0)]
    }
    results.onConnection = [await throwOnConnection(port), ...uncaught.splice(0)]
    console.log(JSON.stringify(results))
    process.exit(0)
  },

  /** Runs out of descriptors, for connecting and for accepting, and recovers. */
  async starved() {
    const problems: string[] = []
    process.on('uncaughtException', (error) => void problems.push(error.message))
    process.on('unhandledRejection', () => void problems.push('unhandled rejection'))
    const port = await subject()
    const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
      socket.handler = echo
    })
    const target = { ip: '127.0.0.1', port: listener.port }
    await echoOnce(port, target)
    const held = hoard()
    const starved = new Recorder()
    port.connect(target, patient, starved, null)
    const error = await starved.closed()
    // One descriptor: enough to connect, not to accept.
    closeSync(held.pop() as number)
    const unaccepted = new Recorder()
    const socket = port.connect(target, patient, unaccepted, null)
    await unaccepted.until(() => unaccepted.events.length > 0)
    await loopTurns()
    for (const descriptor of held) closeSync(descriptor)
    socket.abort()
    const text = await echoOnce(port, target)
    console.log(JSON.stringify({ code: error?.code, text, problems }))
    process.exit(0)
  },

  /** Relays to a port. */
  async relay() {
    const port = await subject()
    const target = { ip: '127.0.0.1', port: Number(parameters[1]) }
    const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
      socket.handler = relayed
      socket.context = port.connect(target, patient, relayed, socket)
    })
    console.log(listener.port)
  },

  /** Holds half-dead sockets; the first byte says which kind. */
  async hospital() {
    const port = await subject()
    const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
      socket.handler = {
        ...echo,
        onData(patientSocket, chunk) {
          if (chunk[0] === 112) patientSocket.pause()
          if (chunk[0] === 101) patientSocket.end()
          patientSocket.write(Buffer.from('k'))
        },
        onEnd() {},
      }
    })
    console.log(listener.port)
  },
}

/** Both legs of a relay: each has the other as its context. */
const relayed = {
  onOpen() {},
  onData(socket: Socket, chunk: Uint8Array) {
    if (!(socket.context as Socket).write(chunk)) socket.pause()
  },
  onDrain: (socket: Socket) => (socket.context as Socket).resume(),
  onEnd: (socket: Socket) => (socket.context as Socket).end(),
  onClose: (socket: Socket) => (socket.context as Socket).abort(),
}

/** The adapter under test, which the parent names. */
async function subject(): Promise<SocketPort> {
  if (parameters[0] === 'bun') return (await import('../bun-sockets.ts')).bunSockets
  return (await import('../node-sockets.ts')).nodeSockets
}

async function fullOnNode(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer((stream) => stream.resume().on('error', () => {}))
  return new Promise((resolve) => {
    server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
      resolve((server.address() as { port: number }).port)
    })
  })
}

async function fullOnBun(): Promise<number> {
  const { dlopen } = await import('bun:ffi')
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const libc = dlopen('libc.so.6', { listen: { args: ['i32', 'i32'], returns: 'i32' } })
  libc.symbols.listen((server as unknown as { fd: number }).fd, 1)
  return server.port
}

/** Opens descriptors until there are no more. */
function hoard(): number[] {
  const held: number[] = []
  for (;;) {
    try {
      held.push(openSync('/dev/null', 'r'))
    } catch {
      return held
    }
  }
}

async function echoOnce(port: SocketPort, target: { ip: string; port: number }): Promise<string> {
  const side = new Recorder()
  const socket = port.connect(target, patient, side, null)
  socket.write(Buffer.from('hello'))
  await side.until(() => side.bytes === 5 || side.error !== undefined)
  socket.end()
  await side.closed()
  return side.text
}

/** Throws in one callback of a client; returns whether the server saw a broken connection. */
async function throwIn(port: SocketPort, where: string): Promise<boolean> {
  const pair = await connectPair(port, {
    accepted: (socket) => socket.pause(),
    client: {
      [where]() {
        throw new Error(where)
      },
    },
  })
  if (where === 'onDrain') fill(pair.client)
  if (where === 'onClose') pair.client.abort()
  pair.server.resume()
  pair.server.write(Buffer.from('x'))
  pair.server.end()
  await pair.clientSide.closed()
  return (await pair.serverSide.closed()) !== null
}

async function throwOnConnection(port: SocketPort): Promise<boolean> {
  const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
    socket.handler = new Recorder()
    throw new Error('onConnection')
  })
  const side = new Recorder()
  port.connect({ ip: '127.0.0.1', port: listener.port }, patient, side, null)
  return (await side.closed()) !== null
}

// No test takes this long: the parent is gone, or the peer hangs.
setTimeout(() => process.exit(1), 60_000).unref()

await roles[role]?.()
