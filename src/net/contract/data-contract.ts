import { describe, expect, test } from 'vitest'
import type { Socket, SocketPort } from '../socket.ts'
import { Recorder } from './recorder.ts'
import { connectPair, digest, fill, loopTurns, pattern } from './workbench.ts'

/** What `write`, `pause`, `resume` and the chunks promise. */
export function dataContract(load: () => Promise<SocketPort>): void {
  describe('data', () => {
    test('bytes arrive whole and in order, both ways', async () => {
      await using pair = await connectPair(await load(), {
        server: { onData: (socket, chunk) => void socket.write(chunk) },
      })
      expect(pair.client.write(Buffer.from('one '))).toBe(true)
      expect(pair.client.write(Buffer.from('two'))).toBe(true)
      await pair.clientSide.until(() => pair.clientSide.bytes === 7)
      expect(pair.clientSide.text).toBe('one two')
      expect(pair.client.queuedBytes).toBe(0)
    })

    test('a chunk that is part of a larger buffer sends its own bytes only', async () => {
      await using pair = await connectPair(await load())
      pair.client.write(Buffer.from('0123456789').subarray(3, 6))
      pair.client.write(new Uint8Array([65, 66, 67, 68]).subarray(1, 3))
      await pair.serverSide.until(() => pair.serverSide.bytes >= 5)
      await loopTurns()
      expect(pair.serverSide.text).toBe('345BC')
    })

    test('an empty chunk is nothing', async () => {
      await using pair = await connectPair(await load())
      expect(pair.client.write(new Uint8Array(0))).toBe(true)
      pair.client.write(Buffer.from('x'))
      await pair.serverSide.saw('data')
      expect(pair.serverSide.chunks.map((chunk) => chunk.length)).toEqual([1])
    })

    test('a slow reader gets every byte, with one drain for each false write', async () => {
      await using pair = await connectPair(await load(), { server: sluggish(262_144) })
      await sendSlowly(pair.client, pair.clientSide, 24_000_000)
      await pair.serverSide.until(() => pair.serverSide.bytes === 24_000_000)
      expect(digest(pair.serverSide.chunks)).toBe(digest([pattern(24_000_000)]))
      expect(pair.client.queuedBytes).toBe(0)
    }, 20_000)

    test('small chunks behind a full connection arrive in order and end in one drain', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      let sent = fill(pair.client)
      for (let i = 0; i < 4000; i++) {
        const chunk = pattern(1 + ((i * 37) % 900), sent)
        sent += chunk.length
        pair.client.write(chunk)
      }
      expect(pair.client.queuedBytes).toBeGreaterThan(1_000_000)
      pair.server.resume()
      await pair.serverSide.until(() => pair.serverSide.bytes === sent)
      await pair.clientSide.saw('drain')
      await loopTurns()
      expect(digest(pair.serverSide.chunks)).toBe(digest([pattern(sent)]))
      expect(pair.clientSide.drains).toBe(1)
      expect(pair.client.queuedBytes).toBe(0)
    })

    test('one chunk of many megabytes arrives whole', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      expect(pair.client.write(pattern(16_000_000))).toBe(false)
      expect(pair.client.queuedBytes).toBeGreaterThan(0)
      pair.server.resume()
      await pair.serverSide.until(() => pair.serverSide.bytes === 16_000_000)
      expect(digest(pair.serverSide.chunks)).toBe(digest([pattern(16_000_000)]))
    })

    test('no drain is told while bytes are queued', async () => {
      const queued: number[] = []
      await using pair = await connectPair(await load(), {
        accepted: (socket) => socket.pause(),
        client: { onDrain: (socket) => void queued.push(socket.queuedBytes) },
      })
      // More than the kernel can be made to take.
      expect(pair.client.write(pattern(32_000_000))).toBe(false)
      pair.client.pause()
      pair.client.resume()
      await loopTurns()
      expect(queued).toEqual([])
      pair.server.resume()
      await pair.clientSide.saw('drain')
      expect(queued).toEqual([0])
    })

    test('a paused socket still drains', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      fill(pair.client)
      pair.client.pause()
      pair.server.resume()
      await pair.clientSide.saw('drain')
      expect(pair.clientSide.drains).toBe(1)
    })

    test('no drain is told without a false write', async () => {
      await using pair = await connectPair(await load())
      pair.client.write(Buffer.from('x'))
      pair.client.pause()
      await loopTurns()
      pair.client.resume()
      pair.server.write(Buffer.from('y'))
      await pair.clientSide.saw('data')
      await loopTurns()
      expect(pair.clientSide.events).toEqual(['open', 'data'])
      expect(pair.serverSide.events).toEqual(['data'])
    })

    test('a large chunk that the kernel takes whole needs no drain', async () => {
      await using pair = await connectPair(await load())
      let sent = fill(pair.client)
      let refusals = 1
      await pair.clientSide.saw('drain')
      for (let i = 0; i < 20; i++) {
        if (!pair.client.write(pattern(140_000, sent))) refusals++
        sent += 140_000
        await pair.serverSide.until(() => pair.serverSide.bytes === sent)
        await loopTurns(3)
        expect(pair.clientSide.drains).toBe(refusals)
      }
    })

    test('received chunks never change afterwards', async () => {
      const seen: string[] = []
      await using pair = await connectPair(await load(), {
        server: { onData: (_socket, chunk) => void seen.push(digest([chunk])) },
      })
      await sendSlowly(pair.client, pair.clientSide, 6_000_000)
      await pair.serverSide.until(() => pair.serverSide.bytes === 6_000_000)
      expect(pair.serverSide.chunks.map((chunk) => digest([chunk]))).toEqual(seen)
    })

    test('a received chunk may be written on without a copy', async () => {
      await using pair = await connectPair(await load(), {
        server: { onData: (socket, chunk) => void socket.write(chunk) },
      })
      pair.client.pause()
      await sendSlowly(pair.client, pair.clientSide, 6_000_000)
      pair.client.resume()
      await pair.clientSide.until(() => pair.clientSide.bytes === 6_000_000)
      expect(digest(pair.clientSide.chunks)).toBe(digest([pattern(6_000_000)]))
    })
  })
}

/** What pausing and swapping the handler promise. */
export function pauseContract(load: () => Promise<SocketPort>): void {
  describe('pause', () => {
    test('a socket paused when accepted says nothing until resume, and loses nothing', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.client.write(Buffer.from('early'))
      await loopTurns()
      expect(pair.serverSide.events).toEqual([])
      pair.server.resume()
      await pair.serverSide.saw('data')
      expect(pair.serverSide.text).toBe('early')
    })

    test('a socket paused before it is open says nothing until resume', async () => {
      await using pair = await connectPair(await load(), {
        connecting: (socket) => socket.pause(),
        accepted: (socket) => void socket.write(Buffer.from('greeting')),
      })
      await loopTurns()
      expect(pair.clientSide.events).toEqual(['open'])
      pair.client.resume()
      await pair.clientSide.saw('data')
      expect(pair.clientSide.text).toBe('greeting')
    })

    test('after pause inside onData no more comes until resume', async () => {
      await using pair = await connectPair(await load(), { server: { onData: (socket) => socket.pause() } })
      fill(pair.client)
      const total = fill(pair.client) // The second fill returns at once: the first has not drained.
      expect(total).toBeGreaterThan(0)
      await pair.serverSide.saw('data')
      await loopTurns()
      expect(pair.serverSide.chunks.length).toBe(1)
      pair.server.resume()
      await pair.serverSide.until(() => pair.serverSide.chunks.length === 2)
      await loopTurns()
      expect(pair.serverSide.chunks.length).toBe(2)
    })

    test('pause and resume in one turn change nothing', async () => {
      await using pair = await connectPair(await load())
      pair.server.pause()
      pair.server.resume()
      pair.server.resume()
      pair.client.write(Buffer.from('x'))
      await pair.serverSide.saw('data')
      pair.server.pause()
      pair.server.pause()
      pair.server.resume()
      pair.client.write(Buffer.from('y'))
      await pair.serverSide.until(() => pair.serverSide.bytes === 2)
    })

    test('resume tells nothing from inside itself', async () => {
      await using pair = await connectPair(await load(), { accepted: (socket) => socket.pause() })
      pair.client.write(Buffer.from('x'))
      pair.client.end()
      await loopTurns()
      pair.serverSide.during(() => pair.server.resume())
      await pair.serverSide.saw('end')
      expect(pair.serverSide.told).toEqual([])
    })
  })

  describe('handler', () => {
    test('a handler set inside a callback gets the next event', async () => {
      const next = new Recorder()
      await using pair = await connectPair(await load(), {
        server: {
          onData(socket) {
            socket.handler = next
          },
        },
      })
      pair.client.write(Buffer.from('head'))
      await pair.serverSide.saw('data')
      pair.client.write(Buffer.from('body'))
      pair.client.end()
      await next.saw('end')
      pair.server.end()
      await next.closed()
      expect(pair.serverSide.events).toEqual(['data'])
      expect(next.text).toBe('body')
      expect(next.events).toEqual(['data', 'end', 'close'])
      pair.server.handler = pair.serverSide
      pair.serverSide.onClose(pair.server, null)
    })

    test('the context is whatever the owner put there', async () => {
      await using pair = await connectPair(await load())
      expect(pair.client.context).toBe(null)
      const mine = {}
      pair.server.context = mine
      expect(pair.server.context).toBe(mine)
    })
  })
}

/** Takes `portion` bytes, then pauses for some turns of the loop. */
export function sluggish(portion: number): { onData(socket: Socket, chunk: Uint8Array): void } {
  let left = portion
  return {
    onData(socket, chunk) {
      left -= chunk.length
      if (left > 0) return
      left = portion
      socket.pause()
      void loopTurns(2).then(() => socket.resume())
    },
  }
}

/** Sends the pattern in uneven chunks, waiting for each drain, and checks that there is one per false write. */
async function sendSlowly(socket: Socket, side: Recorder, total: number): Promise<void> {
  let sent = 0
  let refusals = 0
  const before = side.drains
  for (let i = 0; sent < total; i++) {
    const size = Math.min([65_536, 1000, 200_000, 7][i % 4] as number, total - sent)
    const more = socket.write(pattern(size, sent))
    sent += size
    if (more) continue
    refusals++
    await side.until(() => side.drains === before + refusals)
    if (side.error !== undefined) throw new Error('closed while sending')
  }
  await loopTurns()
  expect(side.drains - before).toBe(refusals)
}
