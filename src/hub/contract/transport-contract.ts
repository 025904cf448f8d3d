import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { handshakeContract } from './handshake-contract.ts'
import { clientFrame, type RawClient } from './raw-client.ts'
import { batchOf, type RecordingOwner, type StartTransport } from './transport-rig.ts'
import { TransportStage } from './transport-stage.ts'

const kib = 1024
const mib = 1024 * kib

/** More than the kernel's buffers of a loopback connection take. */
const tooMuch = 16 * mib

/** Holds a transport to every sentence of `transport.ts`, over real sockets. */
export function transportContract(name: string, start: StartTransport): void {
  handshakeContract(name, start)

  describe(`the transport port over ${name}`, () => {
    const { startRig, open } = new TransportStage(start)

    describe('messages', () => {
      test('come as text and bytes, in order, whole', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.text('grüße 🎈')
        client.binary(Uint8Array.of(0, 255, 7))
        client.socket.write(clientFrame(1, Buffer.from('frag'), 0))
        client.socket.write(clientFrame(9, Buffer.from('between')))
        client.socket.write(clientFrame(0, Buffer.from('ment'), 0x80))
        client.text('')
        await owner.until(() => owner.messages.length === 4)
        const [text, bytes, fragments, empty] = owner.messages
        expect(text).toBe('grüße 🎈')
        expect(bytes).toBeInstanceOf(Uint8Array)
        expect([...(bytes as Uint8Array)]).toEqual([0, 255, 7])
        expect(fragments).toBe('fragment')
        expect(empty).toBe('')
        expect(await client.next()).toMatchObject({ opcode: 10, payload: Buffer.from('between') })
      })

      test('are the receiver’s to keep', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        for (let at = 0; at < 50; at++) client.binary(Buffer.alloc(1000 + at, at))
        await owner.until(() => owner.messages.length === 50)
        for (const [at, message] of owner.messages.entries()) {
          expect((message as Uint8Array).every((byte) => byte === at)).toBe(true)
        }
      })

      test('up to the limit pass, a larger one is answered with 1009', async () => {
        const rig = await startRig({ maxMessage: 1000 })
        const { client, owner } = await open(rig)
        client.binary(Buffer.alloc(1000))
        await owner.untilTold('message [1000]')
        client.binary(Buffer.alloc(1001))
        expect((await client.nextClose()).code).toBe(1009)
        await owner.untilTold('closed 1009')
        expect(owner.messages.length).toBe(1)
      })

      test('in fragments count together', async () => {
        const rig = await startRig({ maxMessage: 1000 })
        const { client, owner } = await open(rig)
        client.socket.write(clientFrame(2, Buffer.alloc(600), 0))
        client.socket.write(clientFrame(0, Buffer.alloc(600), 0x80))
        expect((await client.nextClose()).code).toBe(1009)
        await owner.untilTold('closed 1009')
      })

      test('of text that is no UTF-8 are answered with 1007', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.write(clientFrame(1, Uint8Array.of(0x61, 0xff)))
        expect((await client.nextClose()).code).toBe(1007)
        await owner.untilTold('closed 1007')
        expect(owner.messages).toEqual([])
      })

      test.each([
        ['an unmasked frame', Buffer.from([0x81, 1, 65])],
        ['a reserved bit', clientFrame(1, Buffer.from('a'), 0xc0)],
        ['an unknown opcode', clientFrame(3, Buffer.from('a'))],
        ['a continuation of nothing', clientFrame(0, Buffer.from('a'))],
        ['a long ping', clientFrame(9, Buffer.alloc(126))],
        ['a Close with a code of its own making', clientFrame(8, Uint8Array.of(3, 0xed))],
      ])('of a peer that sends %s end with 1002', async (_, bytes) => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.write(bytes)
        expect((await client.nextClose()).code).toBe(1002)
        await owner.untilTold('closed 1002')
        expect(owner.told).toEqual(['opened', expect.stringContaining('closed 1002')])
      })
    })

    describe('sending', () => {
      test('keeps order and kind', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        expect(owner.call((c) => c.send(batchOf('one')))).toBe(true)
        expect(owner.call((c) => c.send(batchOf('two', Uint8Array.of(3), 'vier 🎈')))).toBe(true)
        owner.call((c) => c.send(batchOf('')))
        expect(await client.nextText()).toBe('one')
        expect(await client.nextText()).toBe('two')
        expect(await client.next()).toMatchObject({ opcode: 2, payload: Buffer.of(3) })
        expect(await client.nextText()).toBe('vier 🎈')
        expect(await client.nextText()).toBe('')
      })

      test.each([125, 126, 65_535, 65_536, 3 * mib])('frames %i bytes', async (size) => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        const bytes = Buffer.alloc(size, 7)
        owner.call((c) => c.send(batchOf(bytes, 'x'.repeat(size), 'end')))
        const first = await client.next()
        expect(first.opcode === 2 && first.payload.equals(bytes)).toBe(true)
        expect((await client.nextText()).length).toBe(size)
        expect(await client.nextText()).toBe('end')
      })

      test('of several messages is one write', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        await new Promise((resolve) => setTimeout(resolve, 20))
        const before = client.reads
        owner.call((c) => c.send(batchOf(...Array.from({ length: 50 }, (_, at) => `message ${at}`))))
        await client.until(() => client.frames.length === 50)
        expect(client.reads - before).toBe(1)
      })

      test('shares a batch among connections', async () => {
        const rig = await startRig()
        const batch = batchOf('a', 'b')
        const all: { client: RawClient; owner: RecordingOwner }[] = []
        for (let at = 0; at < 5; at++) all.push(await open(rig))
        for (const { owner } of all) owner.call((c) => c.send(batch))
        for (const { client } of all) {
          expect(await client.nextText()).toBe('a')
          expect(await client.nextText()).toBe('b')
        }
      })

      test('to a peer that does not read says so, loses nothing, and tells when it has caught up', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.pause()
        const chunk = Buffer.alloc(256 * kib, 1)
        let sent = 0
        while (sent < tooMuch && owner.call((c) => c.send(batchOf(chunk)))) sent++
        expect(sent).toBeLessThan(tooMuch / chunk.length)
        const connection = owner.connection
        expect(connection?.queuedBytes).toBeGreaterThan(0)
        expect(owner.call((c) => c.send(batchOf('more')))).toBe(false)
        expect(owner.told).toEqual(['opened'])
        client.socket.resume()
        await owner.untilTold('drained')
        expect(connection?.queuedBytes).toBe(0)
        expect(owner.call((c) => c.send(batchOf('last')))).toBe(true)
        await client.until(() => client.frames.length === sent + 3)
        expect(client.frames.slice(-2).map(({ payload }) => payload.toString())).toEqual(['more', 'last'])
        expect(owner.told).toEqual(['opened', 'drained'])
      })

      test('shows what the peer takes', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.pause()
        const chunk = Buffer.alloc(256 * kib, 1)
        while (owner.call((c) => c.send(batchOf(chunk))));
        const queued = owner.connection?.queuedBytes ?? 0
        client.socket.resume()
        await owner.until(() => (owner.connection?.queuedBytes ?? 0) < queued)
      })

      test('to a peer that has sent its Close does nothing', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        owner.onMessage = () => {
          // The Close is in the same read and is handled next.
          setImmediate(() => owner.connection?.send(batchOf('late')))
        }
        client.socket.cork()
        client.text('x')
        client.close(1000)
        client.socket.uncork()
        expect((await client.nextClose()).code).toBe(1000)
        client.socket.end()
        await owner.untilTold('closed 1000')
        expect(client.frames).toEqual([])
      })

      test('to a peer that resets while something waits ends', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.pause()
        while (owner.call((c) => c.send(batchOf(Buffer.alloc(256 * kib)))));
        client.socket.resetAndDestroy()
        await owner.untilTold('closed')
        expect(owner.told).toEqual(['opened', 'closed 1006'])
      })

      test('what waits when this side cuts is given up', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.pause()
        while (owner.call((c) => c.send(batchOf(Buffer.alloc(256 * kib)))));
        owner.call((c) => c.terminate())
        await owner.untilTold('closed')
        expect(owner.told).toEqual(['opened', 'closed 1006'])
      })

      test('after the end does nothing', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.destroy()
        await owner.untilTold('closed')
        owner.call((c) => {
          c.send(batchOf('x', 'y'))
          c.ping()
          c.pause()
          c.resume()
          c.close(1000, '')
          c.terminate()
        })
        expect(owner.call((c) => c.queuedBytes)).toBe(0)
        expect(owner.told).toEqual(['opened', 'closed 1006'])
      })
    })

    describe('pings', () => {
      test('are answered, and answers told', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.ping('hello')
        expect(await client.next()).toMatchObject({ opcode: 10, payload: Buffer.from('hello') })
        owner.call((c) => c.ping())
        const ping = await client.next()
        expect(ping.opcode).toBe(9)
        client.socket.write(clientFrame(10, ping.payload))
        await owner.untilTold('pong')
      })

      test('that come together are all answered', async () => {
        const rig = await startRig()
        const { client } = await open(rig)
        client.socket.write(
          Buffer.concat(Array.from({ length: 1000 }, () => clientFrame(9, Buffer.alloc(0)))),
        )
        for (let at = 0; at < 1000; at++) expect((await client.next()).opcode).toBe(10)
      })

      test('in a flood from a peer that never reads do not fill memory', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.pause()
        const flood = Buffer.concat(Array.from({ length: 2000 }, () => clientFrame(9, Buffer.alloc(125))))
        let written = 0
        let most = 0
        while (written < 4 * tooMuch && !owner.isClosed && !client.closed) {
          written += flood.length
          client.socket.write(flood)
          await new Promise((resolve) => setImmediate(resolve))
          if (client.socket.writableLength > mib) await new Promise((resolve) => setTimeout(resolve, 5))
          most = Math.max(most, owner.connection?.queuedBytes ?? 0)
        }
        expect(most).toBeLessThan(4 * mib)
      })
    })

    describe('pausing', () => {
      test('stops reading, and resuming goes on without a hole', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        owner.call((c) => c.pause())
        const chunk = Buffer.alloc(64 * kib)
        let written = 0
        // Until the client can write no more: nobody reads.
        while (written < tooMuch && client.socket.writableLength < 4 * mib) {
          client.binary(chunk)
          written += chunk.length
          await new Promise((resolve) => setImmediate(resolve))
        }
        client.text('end')
        expect(written).toBeLessThan(tooMuch)
        await new Promise((resolve) => setTimeout(resolve, 50))
        expect(owner.messages.length * chunk.length).toBeLessThanOrEqual(mib)
        owner.call((c) => c.resume())
        await owner.untilTold('message end')
        expect(owner.messages.length).toBe(written / chunk.length + 1)
      })

      test('inside a message leaves at most one read', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        owner.onMessage = () => owner.connection?.pause()
        const small = clientFrame(2, Buffer.alloc(1000))
        for (let at = 0; at < 4000; at++) client.socket.write(small)
        await owner.until(() => owner.messages.length > 0)
        await new Promise((resolve) => setTimeout(resolve, 100))
        expect(owner.messages.length).toBeLessThanOrEqual(600)
        owner.onMessage = () => {}
        owner.call((c) => c.resume())
        await owner.until(() => owner.messages.length === 4000)
      })

      test('does not keep from sending', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        owner.call((c) => {
          c.pause()
          c.send(batchOf('paused'))
        })
        expect(await client.nextText()).toBe('paused')
      })
    })

    describe('the end', () => {
      test.each([
        ['with code and reason', 4001, 'bye', 'closed 4001 bye'],
        ['with a code', 1000, '', 'closed 1000'],
        ['without a code', undefined, '', 'closed 1005'],
      ])('by the peer, %s', async (_, code, reason, told) => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.text('before')
        client.close(code, reason)
        expect((await client.nextClose()).code).toBe(code ?? 1005)
        await owner.untilTold('closed')
        expect(owner.told).toEqual(['opened', 'message before', told])
        await client.until(() => client.ended)
      })

      test.each([
        ['a FIN', (client: RawClient) => client.socket.end()],
        ['a reset', (client: RawClient) => client.reset()],
      ])('by %s alone is 1006', async (_, leave) => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        leave(client)
        await owner.untilTold('closed')
        expect(owner.told).toEqual(['opened', 'closed 1006'])
      })

      test('by this side comes behind what was sent, and messages are told no more', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        owner.call((c) => {
          c.send(batchOf('one', 'two'))
          c.close(4008, 'too slow')
          c.close(4009, 'twice')
          c.send(batchOf('never'))
        })
        client.text('too late')
        expect(await client.nextText()).toBe('one')
        expect(await client.nextText()).toBe('two')
        expect(await client.nextClose()).toEqual({ code: 4008, reason: 'too slow' })
        client.close(4008)
        await client.until(() => client.ended)
        await owner.untilTold('closed')
        expect(owner.told).toEqual(['opened', expect.stringContaining('closed')])
      })

      test('by this side while it was paused finds the peer’s Close', async () => {
        const rig = await startRig({ closeTimeout: 20_000 })
        const { client, owner } = await open(rig)
        owner.call((c) => c.pause())
        for (let at = 0; at < 20; at++) client.text(`unread ${at}`)
        owner.call((c) => c.close(1001, 'going'))
        expect(await client.nextClose()).toEqual({ code: 1001, reason: 'going' })
        client.close(1001)
        await owner.untilTold('closed')
        expect(owner.messages).toEqual([])
      })

      test('of a peer that does not read comes behind what waits', async () => {
        const rig = await startRig({ closeTimeout: 20_000 })
        const { client, owner } = await open(rig)
        client.socket.pause()
        const chunk = Buffer.alloc(mib)
        let sent = 1
        while (owner.call((c) => c.send(batchOf(chunk)))) sent++
        owner.call((c) => c.close(4008, 'too slow'))
        client.socket.resume()
        await client.until(() => client.frames.length === sent + 1)
        expect(await client.nextClose()).toEqual({ code: 4008, reason: 'too slow' })
        client.close(4008)
        await owner.untilTold('closed')
      })

      test('of a peer that never answers is a cut after the patience', async () => {
        const rig = await startRig({ closeTimeout: 300 })
        const { client, owner } = await open(rig, { allowHalfOpen: true })
        client.socket.pause()
        while (owner.call((c) => c.send(batchOf(Buffer.alloc(mib)))));
        const before = performance.now()
        owner.call((c) => c.close(4008, 'too slow'))
        await owner.untilTold('closed')
        expect(performance.now() - before).toBeGreaterThan(200)
        expect(owner.told).toEqual(['opened', expect.stringContaining('closed')])
      })

      test('by a cut is at once', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        client.socket.pause()
        while (owner.call((c) => c.send(batchOf(Buffer.alloc(mib)))));
        owner.call((c) => c.terminate())
        await owner.untilTold('closed 1006')
        client.socket.resume()
        await client.until(() => client.closed)
      })

      test('from inside a handler', async () => {
        const rig = await startRig()
        const { client, owner } = await open(rig)
        owner.onMessage = (data) => {
          if (data === 'close') owner.connection?.close(4000, 'as you wish')
          else owner.connection?.terminate()
        }
        client.text('close')
        client.text('ignored')
        expect(await client.nextClose()).toEqual({ code: 4000, reason: 'as you wish' })
        const other = await open(rig)
        other.owner.onMessage = () => other.owner.connection?.terminate()
        other.client.text('cut')
        other.client.text('ignored')
        await other.owner.untilTold('closed 1006')
        expect(other.owner.messages).toEqual(['cut'])
        expect(owner.messages).toEqual(['close'])
      })

      test('from inside `opened`', async () => {
        const rig = await startRig()
        rig.admit = (_, owner) => {
          owner.onOpened = (connection) => {
            connection.send(batchOf('hello'))
            connection.close(4000, 'and goodbye')
          }
          return { accept: true, protocol: null, owner }
        }
        const { client, owner } = await open(rig)
        expect(await client.nextText()).toBe('hello')
        expect(await client.nextClose()).toEqual({ code: 4000, reason: 'and goodbye' })
        client.close(4000)
        await owner.untilTold('closed')
      })
    })

    describe('compression', () => {
      test('is not agreed on by default', async () => {
        const rig = await startRig()
        const { client } = await open(rig, { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } })
        expect(client.head).not.toMatch(/Sec-WebSocket-Extensions/i)
      })

      test('keeps messages, order and limits', async () => {
        const rig = await startRig({ compression: true, maxMessage: 200_000 })
        const client = new WebSocket(`ws://127.0.0.1:${rig.port}`, { perMessageDeflate: true })
        const received: string[] = []
        let closeCode = 0
        client.on('message', (data) => received.push(String(data)))
        client.on('close', (code) => {
          closeCode = code
        })
        client.on('error', () => {})
        await new Promise((resolve) => client.once('open', resolve))
        await rig.last.untilTold('opened')
        expect(client.extensions).toContain('permessage-deflate')
        const owner = rig.last
        const large = 'abc'.repeat(20_000)
        owner.call((c) => c.send(batchOf('small', large, 'small again')))
        owner.call((c) => c.send(batchOf('last')))
        while (received.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
        expect(received).toEqual(['small', large, 'small again', 'last'])
        client.send(large)
        await owner.until(() => owner.messages.length === 1)
        expect(owner.messages).toEqual([large])
        // A bomb: small on the wire, too large when inflated.
        client.send('a'.repeat(2_000_000))
        await owner.untilTold('closed')
        while (closeCode === 0) await new Promise((resolve) => setTimeout(resolve, 5))
        expect(owner.messages.length).toBe(1)
        client.terminate()
      })

      test('tells that a slow peer has caught up though its pings were answered meanwhile', async () => {
        const rig = await startRig({ compression: true })
        const { client, owner } = await open(rig, {
          headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
        })
        expect(client.head).toMatch(/permessage-deflate/)
        client.socket.pause()
        // Too small to be compressed, so that all are written at once; together more than the kernel takes.
        const small = 'x'.repeat(kib - 1)
        const batch = batchOf(...new Array<string>(tooMuch / kib).fill(small))
        expect(owner.call((c) => c.send(batch))).toBe(false)
        for (let count = 0; count < 20; count++) {
          client.ping('p')
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
        expect(owner.told).toEqual(['opened'])
        client.socket.resume()
        await owner.untilTold('drained')
      })
    })
  })
}
