import { describe, expect, test } from 'vitest'
import type { ConnectTarget, Socket, SocketPort } from '../socket.ts'
import { PeerProcess } from './peer-process.ts'
import { Recorder } from './recorder.ts'
import { connectPair, descriptors, eventually, loopTurns, patient, temporaryDirectory } from './workbench.ts'

/** What `connect` promises. */
export function connectingContract(load: () => Promise<SocketPort>): void {
  describe('connect', () => {
    test('a port nobody listens on refuses, after connect returned, once', async () => {
      const port = await load()
      const gone = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => socket.abort())
      await gone.close()
      const error = await failure(port, { ip: '127.0.0.1', port: gone.port })
      expect(error).toMatchObject({ code: 'refused', raw: 'ECONNREFUSED' })
    })

    test('a missing Unix path refuses, after connect returned, once', async () => {
      using directory = temporaryDirectory()
      expect(await failure(await load(), { path: directory.path('missing') })).toMatchObject({
        code: 'refused',
        raw: 'ENOENT',
      })
    })

    test('a path that is no socket fails', async () => {
      expect(await failure(await load(), { path: '/' })).not.toBe(null)
    })

    test('a port out of range fails like a connect, without a throw', async () => {
      expect((await failure(await load(), { ip: '127.0.0.1', port: 70_000 }))?.code).toBe('other')
    })

    test('a cancelled connect closes without an error and is never open', async () => {
      const before = descriptors()
      const port = await load()
      const accepted = new Recorder()
      const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        socket.handler = accepted
      })
      const side = new Recorder()
      const socket = port.connect({ ip: '127.0.0.1', port: listener.port }, patient, side, null)
      socket.write(Buffer.from('never sent'))
      side.during(() => socket.abort())
      expect(await side.closed()).toBe(null)
      expect(side.told).toEqual([])
      await loopTurns()
      expect(side.events).toEqual(['close'])
      expect(accepted.bytes).toBe(0)
      await listener.close()
      expect(await eventually(() => descriptors() <= before)).toBe(true)
    })

    test('a black hole ends in a timeout, and what opens too late is closed', async () => {
      const before = descriptors()
      const port = await load()
      await using peer = await PeerProcess.start('full')
      const target = { ip: '127.0.0.1', port: Number(await peer.line()) }
      // A few fit into the accept queue of the blocked listener; the first that does not is in the black hole.
      const fitting: Recorder[] = []
      const held = []
      let lost: Recorder
      for (;;) {
        const side = new Recorder()
        const socket = port.connect(target, 300, side, null)
        await side.until(() => side.events.length > 0)
        lost = side
        if (side.error !== undefined) break
        fitting.push(side)
        held.push(socket)
      }
      expect(fitting.length).toBeLessThan(8)
      expect(lost.error?.code).toBe('timeout')
      const cancelled = new Recorder()
      const cancelledSocket = port.connect(target, patient, cancelled, null)
      await loopTurns()
      cancelledSocket.abort()
      expect(await cancelled.closed()).toBe(null)
      const waiting = new Recorder()
      const last = port.connect(target, patient, waiting, null)
      peer.say('go')
      await waiting.saw('open')
      for (const socket of [...held, last]) socket.abort()
      expect(await eventually(() => descriptors() <= before + peer.descriptors)).toBe(true)
      expect(lost.events).toEqual(['close'])
      expect(cancelled.events).toEqual(['close'])
    }, 20_000)

    test('a connect that was given up has no descriptor, or is counted for as long as it has', async () => {
      const port = await load()
      await using peer = await PeerProcess.start('full')
      const target = { ip: '127.0.0.1', port: Number(await peer.line()) }
      const givenUp = () => port.givenUpConnects?.() ?? 0
      const fitting: Socket[] = []
      for (;;) {
        const side = new Recorder()
        const socket = port.connect(target, 300, side, null)
        await side.until(() => side.events.length > 0)
        if (side.error !== undefined) break
        fitting.push(socket)
      }
      const before = descriptors() - givenUp()
      const lost = Array.from({ length: 10 }, (_, index) => {
        const side = new Recorder()
        const socket = port.connect(target, index < 5 ? 50 : patient, side, null)
        if (index >= 5) setTimeout(() => socket.abort(), 50)
        return side
      })
      for (const side of lost) await side.closed()
      expect(await eventually(() => descriptors() - before === givenUp())).toBe(true)
      peer.say('go')
      expect(await eventually(() => givenUp() === 0 && descriptors() <= before)).toBe(true)
      for (const socket of fitting) socket.abort()
    }, 20_000)

    test('a timeout that did not strike keeps quiet', async () => {
      const port = await load()
      const listener = await port.listen({ host: '127.0.0.1', port: 0 }, (socket) => {
        socket.handler = new Recorder()
      })
      const side = new Recorder()
      const socket = port.connect({ ip: '127.0.0.1', port: listener.port }, 50, side, null)
      await side.saw('open')
      const clock = new Recorder()
      port.connect({ ip: '127.0.0.1', port: listener.port }, 50, clock, null)
      await new Promise((resolve) => setTimeout(resolve, 80))
      expect(side.events).toEqual(['open'])
      socket.abort()
      expect(await side.closed()).toBe(null)
      await listener.close()
    })
  })

  describe('addresses', () => {
    test('each end knows the other, also after the close', async () => {
      await using pair = await connectPair(await load())
      expect(pair.client.remoteAddress).toBe('127.0.0.1')
      expect(pair.server.remoteAddress).toBe('127.0.0.1')
      const { remotePort } = pair.server
      expect(remotePort).toBeGreaterThan(0)
      expect(remotePort).not.toBe(pair.client.remotePort)
      pair.client.abort()
      await pair.serverSide.closed()
      expect(pair.server.remoteAddress).toBe('127.0.0.1')
      expect(pair.server.remotePort).toBe(remotePort)
    })

    test('there is none before the socket is open', async () => {
      const seen: unknown[] = []
      await using _pair = await connectPair(await load(), {
        connecting: (socket) => seen.push(socket.remoteAddress, socket.remotePort),
        client: { onOpen: (socket) => seen.push(socket.remoteAddress) },
      })
      expect(seen).toEqual(['', 0, '127.0.0.1'])
    })

    test('IPv6 works, and its addresses come without brackets', async () => {
      await using pair = await connectPair(await load(), { listen: { host: '::1', port: 0 } })
      expect(pair.client.remoteAddress).toBe('::1')
      expect(pair.server.remoteAddress).toBe('::1')
      pair.client.write(Buffer.from('six'))
      await pair.serverSide.saw('data')
    })

    test('a listener without host takes IPv4 and IPv6, and names IPv4 peers as such', async () => {
      await using four = await connectPair(await load(), { listen: { port: 0 } })
      expect(four.server.remoteAddress).toBe('127.0.0.1')
      const port = await load()
      const listener = await port.listen({ port: 0 }, (socket) => {
        socket.handler = new Recorder()
      })
      const six = new Recorder()
      const socket = port.connect({ ip: '::1', port: listener.port }, patient, six, null)
      await six.saw('open')
      socket.abort()
      await six.closed()
      await listener.close()
    })
  })
}

/** Connects, and checks that failing is told once, and not before `connect` returned. */
async function failure(port: SocketPort, target: ConnectTarget) {
  const before = descriptors()
  const side = new Recorder()
  side.during(() => void port.connect(target, patient, side, null))
  const error = await side.closed()
  await loopTurns()
  expect(side.told).toEqual([])
  expect(side.events).toEqual(['close'])
  expect(await eventually(() => descriptors() <= before)).toBe(true)
  return error
}
