import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Listener, Socket, SocketHandler, SocketPort } from '../socket.ts'
import { PeerProcess, peerCommand } from './peer-process.ts'
import { Recorder } from './recorder.ts'
import {
  connectPair,
  descriptors,
  eventually,
  fill,
  loopTurns,
  patient,
  temporaryDirectory,
} from './workbench.ts'

/** What `listen` promises. */
export function listeningContract(load: () => Promise<SocketPort>): void {
  describe('listen', () => {
    test('a taken port is refused with its code', async () => {
      const port = await load()
      const listener = await port.listen({ host: '127.0.0.1', port: 0 }, ignore)
      await expect(port.listen({ host: '127.0.0.1', port: listener.port }, ignore)).rejects.toMatchObject({
        code: 'EADDRINUSE',
      })
      await listener.close()
    })

    test('an address that is not ours is refused with its code', async () => {
      const port = await load()
      // RFC 5737 §3: for documentation, so no machine has it.
      await expect(port.listen({ host: '192.0.2.1', port: 0 }, ignore)).rejects.toMatchObject({
        code: 'EADDRNOTAVAIL',
      })
    })

    test('a descriptor that is no socket is refused with a code', async () => {
      await expect((await load()).listen({ fd: 9999 }, ignore)).rejects.toMatchObject({
        code: expect.any(String),
      })
    })

    test('closing keeps live connections, frees the port, and may be done twice', async () => {
      const port = await load()
      const server = new Recorder({ onData: (socket, chunk) => void socket.write(chunk) })
      const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        socket.handler = server
      })
      const target = { ip: '127.0.0.1', port: listener.port }
      const client = new Recorder()
      const socket = port.connect(target, patient, client, null)
      socket.write(Buffer.from('before '))
      await client.saw('data')
      await listener.close()
      await listener.close()
      socket.write(Buffer.from('after'))
      await client.until(() => client.bytes === 12)
      const late = new Recorder()
      port.connect(target, patient, late, null)
      expect((await late.closed())?.code).toBe('refused')
      const again = await port.listen({ host: '127.0.0.1', port: listener.port }, ignore)
      expect(again.port).toBe(listener.port)
      await again.close()
      socket.abort()
      expect((await server.closed())?.code).toBe('reset')
    })

    test('a socket whose owner sets no handler is reset', async () => {
      const port = await load()
      const listener = await port.listen({ host: '127.0.0.1', port: 0 }, () => {})
      const side = new Recorder()
      port.connect({ ip: '127.0.0.1', port: listener.port }, patient, side, null)
      expect((await side.closed())?.code).toBe('reset')
      await listener.close()
    })

    test('2,000 connections at once find room while the loop is blocked', async () => {
      if (Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')) < 2000) return
      // The first child costs the runtime descriptors it keeps.
      spawnSync('true')
      const before = descriptors()
      const port = await load()
      const sides: Recorder[] = []
      const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        const side = new Recorder({ onEnd: () => socket.end() })
        socket.handler = side
        sides.push(side)
      })
      const { command, args } = peerCommand('storm', [String(listener.port), '2000'])
      const storm = spawnSync(command, args, { encoding: 'utf8' })
      expect(storm.stdout.trim()).toBe('2000')
      expect(await eventually(() => sides.length === 2000)).toBe(true)
      await Promise.all(sides.map((side) => side.closed()))
      await listener.close()
      expect(await eventually(() => descriptors() <= before)).toBe(true)
    }, 20_000)

    test('a listening descriptor inherited from another process is served', async () => {
      const port = await load()
      const { listener, fd } = await bareListener()
      await using peer = await PeerProcess.start('descriptor', [port.runtime], { inherit: fd })
      expect(await peer.line()).toBe('ready')
      await listener.close()
      const side = new Recorder()
      const socket = port.connect({ ip: '127.0.0.1', port: listener.port }, patient, side, null)
      socket.write(Buffer.from('hello'))
      await side.saw('data')
      socket.end()
      expect(await side.closed()).toBe(null)
      expect(side.text).toBe('hello')
    })
  })
}

/** What Unix sockets promise. */
export function unixContract(load: () => Promise<SocketPort>): void {
  describe('a Unix socket', () => {
    test('carries bytes and ends both ways, and has no address', async () => {
      using directory = temporaryDirectory()
      await using pair = await connectPair(await load(), {
        listen: { path: directory.path('socket') },
        server: { onData: (socket, chunk) => void socket.write(chunk), onEnd: (socket) => socket.end() },
      })
      expect([pair.client.remoteAddress, pair.client.remotePort]).toEqual(['', 0])
      expect([pair.server.remoteAddress, pair.server.remotePort]).toEqual(['', 0])
      pair.client.write(Buffer.from('local'))
      pair.client.end()
      expect(await pair.clientSide.closed()).toBe(null)
      expect(await pair.serverSide.closed()).toBe(null)
      expect(pair.clientSide.text).toBe('local')
    })

    test('can be aborted', async () => {
      const before = descriptors()
      using directory = temporaryDirectory()
      await using pair = await connectPair(await load(), { listen: { path: directory.path('socket') } })
      pair.client.abort()
      expect(await pair.clientSide.closed()).toBe(null)
      // There is no reset on Unix sockets: the peer sees an end. If that closes it, it is before its own end.
      await pair.serverSide.until(() => pair.serverSide.events.length > 0)
      await loopTurns()
      expect(pair.serverSide.error).not.toBe(null)
      pair.server.abort()
      await pair.serverSide.closed()
      expect(await eventually(() => descriptors() <= before)).toBe(true)
    })

    test('whose peer goes away before everything is sent closes with an error', async () => {
      using directory = temporaryDirectory()
      await using pair = await connectPair(await load(), {
        listen: { path: directory.path('socket') },
        connecting: (socket) => socket.pause(),
      })
      expect(fill(pair.server)).toBeGreaterThan(0)
      pair.client.abort()
      expect(await pair.serverSide.closed()).not.toBe(null)
      expect(pair.serverSide.events.filter((event) => event === 'close').length).toBe(1)
    })

    test('file is removed on close', async () => {
      using directory = temporaryDirectory()
      const path = directory.path('socket')
      const listener = await (await load()).listen({ path }, ignore)
      expect(listener.port).toBe(0)
      expect(existsSync(path)).toBe(true)
      await listener.close()
      expect(existsSync(path)).toBe(false)
    })

    test('file left by a dead process is replaced', async () => {
      using directory = temporaryDirectory()
      const path = directory.path('socket')
      {
        await using peer = await PeerProcess.start('leftover', [path])
        expect(await peer.line()).toBe('ready')
      }
      expect(lstatSync(path).isSocket()).toBe(true)
      await using pair = await connectPair(await load(), { listen: { path } })
      pair.client.write(Buffer.from('x'))
      await pair.serverSide.saw('data')
    })

    test('somebody listens on is refused and goes on serving', async () => {
      using directory = temporaryDirectory()
      const path = directory.path('socket')
      const port = await load()
      const accepted = new Recorder()
      const listener = await port.listen({ path }, (socket) => {
        socket.handler = accepted
      })
      await expect(port.listen({ path }, ignore)).rejects.toMatchObject({ code: 'EADDRINUSE' })
      const side = new Recorder()
      const socket = port.connect({ path }, patient, side, null)
      await side.saw('open')
      socket.abort()
      await side.closed()
      await listener.close()
    })

    test('does not replace a file of another kind', async () => {
      using directory = temporaryDirectory()
      const path = directory.path('notes')
      writeFileSync(path, 'keep me')
      await expect((await load()).listen({ path }, ignore)).rejects.toMatchObject({ code: 'EADDRINUSE' })
      expect(readFileSync(path, 'utf8')).toBe('keep me')
    })
  })
}

const silent: SocketHandler = { onOpen() {}, onData() {}, onDrain() {}, onEnd() {}, onClose() {} }

function ignore(socket: Socket): void {
  socket.handler = silent
}

/** A listening descriptor, as a service manager would hand it over. */
async function bareListener(): Promise<{ listener: Listener; fd: number }> {
  if (process.versions.bun !== undefined) {
    const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    const { fd } = server as unknown as { fd: number }
    return { fd, listener: { port: server.port, close: async () => server.stop() } }
  }
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  const { port } = server.address() as { port: number }
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  return { fd, listener: { port, close: async () => void server.close() } }
}
