import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Listener, Socket, SocketPort } from '../socket.ts'
import { sluggish } from './data-contract.ts'
import { PeerProcess } from './peer-process.ts'
import { Recorder } from './recorder.ts'
import {
  connectPair,
  descriptors,
  digest,
  eventually,
  fill,
  loopTurns,
  patient,
  pattern,
  temporaryDirectory,
} from './workbench.ts'

/** What the port promises about failures that only another process can cause. */
export function failureContract(load: () => Promise<SocketPort>): void {
  describe('failures', () => {
    test.each([
      ['a reset', 'reset', false],
      ['a reset, on a paused socket,', 'reset', true],
      ['a reset after the FIN', 'farewell', false],
      ['a reset after the FIN, on a paused socket,', 'farewell', true],
    ] as const)('%s that a write finds is an error and not an end', async (_name, role, pausing) => {
      using directory = temporaryDirectory()
      const flag = directory.path('done')
      const port = await load()
      const accepted = Promise.withResolvers<Socket>()
      const side = new Recorder()
      const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        socket.handler = side
        if (pausing) socket.pause()
        accepted.resolve(socket)
      })
      await using _peer = await PeerProcess.start(role, [String(listener.port), flag])
      const socket = await accepted.promise
      if (role === 'farewell' && !pausing) await side.saw('end')
      socket.write(Buffer.from('x'))
      // The loop is blocked, so nothing but a write can notice that the peer is gone.
      while (!existsSync(flag)) {}
      for (let i = 0; i < 5; i++) socket.write(Buffer.from('y'))
      // Not resumed: once a write has found it, the owner is told even while paused.
      expect(['reset', 'pipe']).toContain((await side.closed())?.code)
      expect(socket.queuedBytes).toBe(0)
      expect(side.events.filter((event) => event === 'end').length).toBe(role === 'reset' || pausing ? 0 : 1)
      expect(['', 'tail']).toContain(side.text)
      await listener.close()
    })

    test('what a handler throws is an uncaught exception, and the socket is reset', async () => {
      await using peer = await PeerProcess.start('throwing', [(await load()).runtime])
      expect(JSON.parse(await peer.line())).toEqual({
        onOpen: [true, 'onOpen'],
        onData: [true, 'onData'],
        onDrain: [true, 'onDrain'],
        onEnd: [true, 'onEnd'],
        onClose: [true, 'onClose'],
        onConnection: [true, 'onConnection'],
      })
    })

    test('a process without free descriptors survives, and recovers', async () => {
      const peer = PeerProcess.start('starved', [(await load()).runtime], { maximum: 80 })
      await using started = await peer
      expect(JSON.parse(await started.line())).toEqual({ code: 'exhausted', text: 'hello', problems: [] })
    })
  })
}

/** What the port promises about many bytes, many connections, and none at all. */
export function loadContract(load: () => Promise<SocketPort>): void {
  describe('under load', () => {
    test('30 MB pass a relay with a slow reader in bounded memory', async () => {
      const port = await load()
      let most = 0
      const reader = new Recorder(sluggish(500_000))
      const backend = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        socket.handler = reader
      })
      const relay = await relayTo(port, backend, (socket) => {
        most = Math.max(most, socket.queuedBytes)
      })
      const total = 30_000_000
      let sent = 0
      const side = new Recorder({ onOpen: pump, onDrain: pump })
      function pump(socket: Socket): void {
        while (sent < total) {
          const size = Math.min(65_536, total - sent)
          sent += size
          if (!socket.write(pattern(size, sent - size))) return
        }
        socket.end()
      }
      const client = port.connect({ ip: '127.0.0.1', port: relay.port }, patient, side, null)
      await reader.saw('end')
      expect(reader.bytes).toBe(total)
      expect(digest(reader.chunks)).toBe(digest([pattern(total)]))
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThan(1_100_000)
      client.abort()
      await relay.close()
      await backend.close()
    }, 20_000)

    test('many relays with slow readers mix up no bytes', async () => {
      const port = await load()
      const total = 10_000_000
      const backend = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        // Uneven chunks, so that what waits in one queue is of every size.
        let sent = 0
        const pump = (self: Socket) => {
          while (sent < total) {
            const size = Math.min(1 + ((sent * 7) % 40_000), total - sent)
            sent += size
            if (!self.write(pattern(size, sent - size))) return
          }
          self.end()
        }
        socket.handler = new Recorder({ onDrain: pump })
        pump(socket)
      })
      const relay = await relayTo(port, backend, () => {})
      const expected = digest([pattern(total)])
      const readers = Array.from({ length: 4 }, (_, i) => {
        const side = new Recorder({ ...sluggish(100_000 + i * 30_000), onEnd: (socket) => socket.end() })
        port.connect({ ip: '127.0.0.1', port: relay.port }, patient, side, null)
        return side
      })
      for (const side of readers) {
        await side.saw('end')
        expect(digest(side.chunks)).toBe(expected)
      }
      await relay.close()
      await backend.close()
    }, 20_000)

    test('3 times 1,500 connections leave no descriptor and no memory behind', async () => {
      const before = descriptors()
      const port = await load()
      const owners: WeakRef<object>[] = []
      for (let cycle = 0; cycle < 3; cycle++) {
        await churn(port, 1500, owners)
        expect(await eventually(() => descriptors() <= before)).toBe(true)
      }
      await loopTurns()
      expect(owners.length).toBe(9000)
      const collect = await collector()
      const forgotten = await eventually(() => {
        collect()
        return owners.filter((owner) => owner.deref() !== undefined).length < 450
      })
      expect(forgotten).toBe(true)
    }, 20_000)

    test('a relay is idle after its clients vanished mid-stream', async () => {
      const port = await load()
      const streams: Recorder[] = []
      const backend = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        const side = new Recorder({ onDrain: (drained) => void fill(drained) })
        socket.handler = side
        streams.push(side)
        fill(socket)
      })
      await using peer = await PeerProcess.start('relay', [port.runtime, String(backend.port)])
      const target = { ip: '127.0.0.1', port: Number(await peer.line()) }
      const clients = Array.from({ length: 20 }, (_, i) => {
        const side = new Recorder(i % 2 === 0 ? {} : { onData: (socket) => socket.pause() })
        return { side, socket: port.connect(target, patient, side, null) }
      })
      await Promise.all(clients.map(({ side }) => side.saw('data')))
      for (const { socket } of clients) socket.abort()
      await Promise.all(streams.map((side) => side.closed()))
      expect(await busyMilliseconds(peer.pid)).toBeLessThan(150)
      await backend.close()
    }, 20_000)

    test('half-dead sockets cost no processor time', async () => {
      const port = await load()
      await using peer = await PeerProcess.start('hospital', [port.runtime])
      const target = { ip: '127.0.0.1', port: Number(await peer.line()) }
      const sockets: Socket[] = []
      // Paused, ended by the other side, or neither; each with a peer that ended, was reset, or lives.
      for (const kind of ['p', 'e', 'n']) {
        for (const fate of ['end', 'abort', 'live']) {
          const side = new Recorder()
          const socket = port.connect(target, patient, side, null)
          socket.write(Buffer.from(kind))
          await side.until(() => side.events.includes(kind === 'e' ? 'end' : 'data'))
          socket.write(Buffer.from('unread'))
          if (fate === 'end') socket.end()
          if (fate === 'abort') socket.abort()
          sockets.push(socket)
        }
      }
      expect(await busyMilliseconds(peer.pid)).toBeLessThan(150)
      for (const socket of sockets) socket.abort()
    }, 20_000)

    test('an idle pair tells nothing', async () => {
      await using pair = await connectPair(await load())
      await loopTurns()
      expect(pair.clientSide.events).toEqual(['open'])
      expect(pair.serverSide.events).toEqual([])
    })
  })
}

async function relayTo(
  port: SocketPort,
  backend: Listener,
  looked: (socket: Socket) => void,
): Promise<Listener> {
  const leg = {
    // A relay keeps nothing of a chunk but what it writes on.
    borrowsData: true,
    onOpen() {},
    onData(socket: Socket, chunk: Uint8Array) {
      const other = socket.context as Socket
      if (!other.write(chunk)) socket.pause()
      looked(other)
    },
    onDrain: (socket: Socket) => (socket.context as Socket).resume(),
    onEnd: (socket: Socket) => (socket.context as Socket).end(),
    onClose: (socket: Socket) => (socket.context as Socket).abort(),
  }
  return port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
    socket.handler = leg
    socket.context = port.connect({ ip: '127.0.0.1', port: backend.port }, patient, leg, socket)
  })
}

/** Opens and closes connections in every way, at most 250 at a time. */
async function churn(port: SocketPort, count: number, owners: WeakRef<object>[]): Promise<void> {
  const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
    socket.handler = new Recorder({
      onData: (self, chunk) => void self.write(chunk),
      onEnd: (self) => self.end(),
    })
    socket.context = {}
    owners.push(new WeakRef(socket.context as object))
  })
  const target = { ip: '127.0.0.1', port: listener.port }
  for (let started = 0; started < count; started += 250) {
    const sides = Array.from({ length: 250 }, (_, i) => oneOfMany(port, target, i % 3, owners))
    await Promise.all(sides.map((side) => side.closed()))
  }
  await listener.close()
}

function oneOfMany(
  port: SocketPort,
  target: { ip: string; port: number },
  way: number,
  owners: WeakRef<object>[],
): Recorder {
  const context = {}
  owners.push(new WeakRef(context))
  const side = new Recorder({ onData: (socket) => (way === 0 ? socket.abort() : socket.end()) })
  const socket = port.connect(target, patient, side, context)
  socket.write(Buffer.from('x'))
  if (way === 2) socket.end()
  return side
}

/** A function that collects garbage now. */
async function collector(): Promise<() => void> {
  if (process.versions.bun !== undefined) return () => Bun.gc(true)
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

/** Processor time a process uses within a second. */
async function busyMilliseconds(pid: number): Promise<number> {
  const before = processorMilliseconds(pid)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  return processorMilliseconds(pid) - before
}

/** proc_pid_stat(5): utime and stime, in ticks of 10 ms. */
function processorMilliseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}
