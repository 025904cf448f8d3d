import { describe, expect, test } from 'vitest'
import type { SocketPort } from '../socket.ts'
import { connectPair, descriptors, digest, eventually, fill, loopTurns, pattern } from './workbench.ts'

/** What `end` and the peer's FIN promise. */
export function endContract(load: () => Promise<SocketPort>): void {
  describe('end', () => {
    test.each(['client', 'server'] as const)(
      'when the %s ends first, both close without an error',
      async (first) => {
        const before = descriptors()
        await using pair = await connectPair(await load())
        const [one, other] = first === 'client' ? [pair.client, pair.server] : [pair.server, pair.client]
        const otherSide = first === 'client' ? pair.serverSide : pair.clientSide
        one.end()
        await otherSide.saw('end')
        other.end()
        expect(await pair.clientSide.closed()).toBe(null)
        expect(await pair.serverSide.closed()).toBe(null)
        expect(pair.clientSide.events).toEqual(['open', 'end', 'close'])
        expect(pair.serverSide.events).toEqual(['end', 'close'])
        expect(await eventually(() => descriptors() <= before)).toBe(true)
      },
    )

    test('both may end at the same time', async () => {
      const before = descriptors()
      await using pair = await connectPair(await load())
      pair.client.write(Buffer.from('a'))
      pair.server.write(Buffer.from('b'))
      pair.client.end()
      pair.server.end()
      expect(await pair.clientSide.closed()).toBe(null)
      expect(await pair.serverSide.closed()).toBe(null)
      expect(pair.clientSide.events).toEqual(['open', 'data', 'end', 'close'])
      expect(pair.serverSide.events).toEqual(['data', 'end', 'close'])
      expect(await eventually(() => descriptors() <= before)).toBe(true)
    })

    test('an ended socket goes on reading, and stays open until the peer ends', async () => {
      await using pair = await connectPair(await load())
      pair.client.end()
      await pair.serverSide.saw('end')
      pair.server.write(pattern(3_000_000))
      await pair.clientSide.until(() => pair.clientSide.bytes === 3_000_000)
      await loopTurns()
      expect(pair.clientSide.events).not.toContain('close')
      pair.server.end()
      expect(await pair.clientSide.closed()).toBe(null)
      expect(await pair.serverSide.closed()).toBe(null)
    })

    test('a reply that was queued when the peer ended is sent whole', async () => {
      await using pair = await connectPair(await load(), { connecting: (socket) => socket.pause() })
      const total = fill(pair.server)
      pair.client.end()
      await pair.serverSide.saw('end')
      pair.server.write(Buffer.from('late'))
      pair.server.end()
      await loopTurns()
      pair.client.resume()
      expect(await pair.clientSide.closed()).toBe(null)
      expect(pair.clientSide.bytes).toBe(total + 4)
      expect(await pair.serverSide.closed()).toBe(null)
    })

    test('end after a false write sends everything before the FIN', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.client.write(pattern(16_000_000))
      pair.client.end()
      expect(pair.client.write(Buffer.from('dropped'))).toBe(true)
      await loopTurns()
      pair.server.resume()
      await pair.serverSide.saw('end')
      expect(digest(pair.serverSide.chunks)).toBe(digest([pattern(16_000_000)]))
      pair.server.end()
      expect(await pair.clientSide.closed()).toBe(null)
      expect(await pair.serverSide.closed()).toBe(null)
    })

    test('no drain is told after end', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      fill(pair.client)
      pair.client.end()
      pair.server.resume()
      await pair.serverSide.saw('end')
      await loopTurns()
      expect(pair.clientSide.drains).toBe(0)
    })

    test('write and end before the socket is open happen once it is', async () => {
      await using pair = await connectPair(await load(), {
        connecting(socket) {
          socket.write(Buffer.from('first '))
          socket.write(Buffer.from('second'))
          socket.end()
          socket.end()
          expect(socket.write(Buffer.from('dropped'))).toBe(true)
        },
      })
      await pair.serverSide.saw('end')
      expect(pair.serverSide.text).toBe('first second')
      pair.server.end()
      expect(await pair.clientSide.closed()).toBe(null)
      expect(pair.clientSide.events.filter((event) => event !== 'drain')).toEqual(['open', 'end', 'close'])
    })

    test('a FIN is told after all data, and only when reading', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.client.write(pattern(100_000))
      pair.client.end()
      await loopTurns()
      expect(pair.serverSide.events).toEqual([])
      pair.server.resume()
      await pair.serverSide.saw('end')
      expect(pair.serverSide.bytes).toBe(100_000)
      expect(pair.serverSide.events).toEqual(['data', 'end'])
      pair.server.end()
      expect(await pair.serverSide.closed()).toBe(null)
    })

    test('a socket that ended and is paused keeps what the peer sent last', async () => {
      const before = descriptors()
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.server.end()
      await pair.clientSide.saw('end')
      pair.client.write(pattern(100_000))
      pair.client.end()
      await loopTurns()
      expect(pair.serverSide.events).toEqual([])
      pair.server.resume()
      expect(await pair.serverSide.closed()).toBe(null)
      expect(pair.serverSide.bytes).toBe(100_000)
      expect(pair.serverSide.events).toEqual(['data', 'end', 'close'])
      expect(await pair.clientSide.closed()).toBe(null)
      expect(await eventually(() => descriptors() <= before)).toBe(true)
    })

    test('end inside onData and inside onEnd closes cleanly', async () => {
      await using pair = await connectPair(await load(), {
        client: { onData: (socket) => socket.end() },
        server: {
          onData: (socket, chunk) => void socket.write(chunk),
          onEnd: (socket) => socket.end(),
        },
      })
      pair.client.write(Buffer.from('x'))
      expect(await pair.clientSide.closed()).toBe(null)
      expect(await pair.serverSide.closed()).toBe(null)
      expect(pair.serverSide.events).toEqual(['data', 'end', 'close'])
    })
  })
}

/** What `close` promises. */
export function closeContract(load: () => Promise<SocketPort>): void {
  describe('close', () => {
    test.each([0, 1_000_000])(
      'behind end, a peer that had read nothing still gets all of %d bytes',
      async (size) => {
        const before = descriptors()
        await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
        pair.client.write(pattern(size))
        pair.client.end()
        await eventually(() => pair.client.queuedBytes === 0)
        await loopTurns()
        pair.client.close()
        pair.client.close()
        expect(await pair.clientSide.closed()).toBe(null)
        pair.server.resume()
        await pair.serverSide.saw('end')
        expect(digest(pair.serverSide.chunks)).toBe(digest([pattern(size)]))
        pair.server.end()
        expect(await pair.serverSide.closed()).toBe(null)
        expect(await eventually(() => descriptors() <= before)).toBe(true)
      },
    )

    test('no event but onClose follows, after close has returned', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.server.write(Buffer.from('unread'))
      fill(pair.client)
      pair.clientSide.during(() => pair.client.close())
      expect(pair.clientSide.events).toEqual(['open'])
      expect(pair.client.queuedBytes).toBe(0)
      expect(pair.client.write(Buffer.from('dropped'))).toBe(true)
      expect(await pair.clientSide.closed()).toBe(null)
      await loopTurns()
      expect(pair.clientSide.events).toEqual(['open', 'close'])
      expect(pair.clientSide.told).toEqual([])
    })
  })
}

/** What `abort`, resets and the time after closing promise. */
export function abortContract(load: () => Promise<SocketPort>): void {
  describe('abort', () => {
    test('the peer sees a reset, and we close without an error', async () => {
      await using pair = await connectPair(await load())
      pair.client.abort()
      pair.client.abort()
      expect(await pair.clientSide.closed()).toBe(null)
      expect((await pair.serverSide.closed())?.code).toBe('reset')
      expect(pair.serverSide.events).toEqual(['close'])
    })

    test('onClose comes after abort has returned', async () => {
      await using pair = await connectPair(await load())
      pair.clientSide.during(() => pair.client.abort())
      expect(pair.clientSide.events).toEqual(['open'])
      await pair.clientSide.closed()
      expect(pair.clientSide.told).toEqual([])
    })

    test('no event but onClose follows', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.server.write(Buffer.from('unread'))
      fill(pair.client)
      pair.client.abort()
      expect(pair.client.queuedBytes).toBe(0)
      expect(await pair.clientSide.closed()).toBe(null)
      await loopTurns()
      expect(pair.clientSide.events).toEqual(['open', 'close'])
    })

    test.each(['onOpen', 'onData', 'onDrain', 'onEnd'] as const)(
      'it may be called inside %s',
      async (where) => {
        let returned = false
        await using pair = await connectPair(await load(), {
          accepted: (socket) => socket.pause(),
          client: {
            [where](socket: { abort(): void }) {
              socket.abort()
              returned = true
            },
            onClose: () => expect(returned).toBe(true),
          },
        })
        if (where === 'onDrain') fill(pair.client)
        pair.server.resume()
        pair.server.write(Buffer.from('x'))
        pair.server.end()
        expect(await pair.clientSide.closed()).toBe(null)
        await loopTurns()
        expect(pair.clientSide.events.filter((event) => event === 'close').length).toBe(1)
        expect(pair.clientSide.events.at(-1)).toBe('close')
      },
    )

    // libuv refuses to reset while shutdown(2) is under way.
    test.each([0, 1, 2, 3])('%i turns after end it still closes the descriptor', async (turns) => {
      const before = descriptors()
      const port = await load()
      for (const queued of [0, 1, 4_000_000]) {
        await using pair = await connectPair(port, { accepted: (socket) => socket.pause() })
        if (queued > 0) pair.client.write(pattern(queued))
        pair.client.end()
        await loopTurns(turns)
        pair.client.abort()
        expect(await pair.clientSide.closed()).toBe(null)
      }
      expect(await eventually(() => descriptors() <= before)).toBe(true)
    })

    test('after the close every method does nothing', async () => {
      await using pair = await connectPair(await load())
      pair.server.abort()
      await pair.clientSide.closed()
      const { client } = pair
      expect(client.write(Buffer.from('x'))).toBe(true)
      client.pause()
      client.resume()
      client.end()
      client.abort()
      expect(client.queuedBytes).toBe(0)
      await loopTurns()
      expect(pair.clientSide.events).toEqual(['open', 'close'])
    })
  })

  describe('a reset by the peer', () => {
    test('is told while paused, or at the latest by resume', async () => {
      const before = descriptors()
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.client.write(Buffer.from('tail'))
      pair.client.abort()
      await loopTurns()
      pair.server.resume()
      const error = await pair.serverSide.closed()
      expect(error?.code).toBe('reset')
      expect(pair.serverSide.events).not.toContain('end')
      expect(await eventually(() => descriptors() <= before)).toBe(true)
    })

    test('while bytes are queued is an error, told once', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      fill(pair.client)
      pair.server.abort()
      expect(['reset', 'pipe']).toContain((await pair.clientSide.closed())?.code)
      expect(pair.client.queuedBytes).toBe(0)
      await loopTurns()
      expect(pair.clientSide.events).toEqual(['open', 'close'])
    })

    test('after both sent is an error when our queue was not empty', async () => {
      await using pair = await connectPair(await load(), { connecting: (socket) => socket.pause() })
      fill(pair.server)
      pair.client.end()
      await pair.serverSide.saw('end')
      pair.server.end()
      pair.client.abort()
      expect(await pair.serverSide.closed()).not.toBe(null)
    })

    test('after our end is an error', async () => {
      await using pair = await connectPair(await load())
      pair.client.end()
      await pair.serverSide.saw('end')
      pair.server.abort()
      expect((await pair.clientSide.closed())?.code).toBe('reset')
      expect(pair.clientSide.events).toEqual(['open', 'close'])
    })
  })
}
