import { afterEach, describe, expect, test } from 'vitest'
import { bunSockets } from '../../src/net/bun-sockets.ts'
import { nodeSockets } from '../../src/net/node-sockets.ts'
import { settled } from './support/settled.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const MiB = 1024 * 1024
const total = 200 * MiB
/** What kernels and the gateway may hold on the way, and what the test itself needs. */
const most = 64 * MiB

const piece = Buffer.alloc(MiB, 'abcdefghijklmnop')

const lastChunk = '0\r\n\r\n'

/** One piece as it stands on the wire. */
function framed(framing: 'length' | 'chunked'): Buffer {
  if (framing === 'length') return piece
  return Buffer.concat([Buffer.from(`${MiB.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
}

/** Sends pieces as fast as the stream takes them, until it has sent so many bytes or is broken. */
async function pour(
  wire: Wire,
  framing: 'length' | 'chunked',
  onSent: (bytes: number) => void,
): Promise<void> {
  const chunk = framed(framing)
  for (let sent = 0; sent < total; sent += MiB) {
    await wire.flush(chunk)
    onSent(sent + MiB)
  }
  if (framing === 'chunked') wire.send(lastChunk)
}

/** Takes everything that was poured, without keeping it, and checks every byte. */
async function swallow(wire: Wire, framing: 'length' | 'chunked'): Promise<void> {
  const chunk = framed(framing)
  for (let taken = 0; taken < total; taken += MiB) {
    expect((await wire.bytes(chunk.length)).equals(chunk)).toBe(true)
  }
  if (framing === 'chunked') expect((await wire.bytes(lastChunk.length)).toString()).toBe(lastChunk)
}

describe('a fast sender waits for a slow receiver', () => {
  test.each(['length', 'chunked'] as const)('answers with %s framing', async (framing) => {
    let sent = 0
    const backend = await stage.raw(async (wire) => {
      await wire.until('\r\n\r\n')
      const field = framing === 'length' ? `Content-Length: ${total}` : 'Transfer-Encoding: chunked'
      wire.send(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n`)
      await pour(wire, framing, (bytes) => {
        sent = bytes
      })
    })
    const { port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    const before = process.memoryUsage().rss
    client.send('GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await client.until('\r\n\r\n')
    client.socket.pause()
    expect(await settled(() => sent)).toBeLessThan(most)
    expect(process.memoryUsage().rss - before).toBeLessThan(2 * most)
    client.socket.resume()
    await swallow(client, framing)
    expect(sent).toBe(total)
    client.reset()
  })

  test.each(['length', 'chunked'] as const)('requests with %s framing', async (framing) => {
    let sent = 0
    const backend = await stage.raw()
    const { port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    const before = process.memoryUsage().rss
    const field = framing === 'length' ? `Content-Length: ${total}` : 'Transfer-Encoding: chunked'
    client.send(`POST /x HTTP/1.1\r\nHost: a.test\r\n${field}\r\n\r\n`)
    const wire = await backend.connection(0)
    await wire.until('\r\n\r\n')
    wire.socket.pause()
    const poured = pour(client, framing, (bytes) => {
      sent = bytes
    })
    expect(await settled(() => sent)).toBeLessThan(most)
    expect(process.memoryUsage().rss - before).toBeLessThan(2 * most)
    wire.socket.resume()
    await swallow(wire, framing)
    await poured
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    expect((await client.message()).body).toBe('ok')
  })

  test('interim answers', async () => {
    let sent = 0
    const hint = `HTTP/1.1 103 Early Hints\r\nX: ${'x'.repeat(1000)}\r\n\r\n`
    const many = Buffer.from(hint.repeat(1000))
    const backend = await stage.raw(async (wire) => {
      await wire.until('\r\n\r\n')
      for (; sent < total / 2; sent += many.length) await wire.flush(many)
    })
    const { port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    client.socket.pause()
    client.send('GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n')
    expect(await settled(() => sent)).toBeLessThan(most)
  })
})

test('the adapter under test is the one of this runtime', async () => {
  const { socketPort } = await import('../../src/net/socket-port.ts')
  expect(socketPort).toBe(process.versions.bun === undefined ? nodeSockets : bunSockets)
})
