import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { atRest } from './support/at-rest.ts'
import { eventually } from './support/eventually.ts'
import { clientFrame, closeFrame, closeOf, frame, opcodes, readFrame } from './support/frames.ts'
import { joinTunnel, type RawTunnel, rawTunnel, switching, upgradeRequest } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

const MiB = 1024 * 1024

/** Bytes whose order shows. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at, at)
  return bytes
}

describe('what is said before the other side listens', () => {
  test('a frame in the segment of the upgrade request reaches the backend behind the request', async () => {
    const backend = await stage.raw()
    const { port, gateway } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    const early = clientFrame(opcodes.text, 'early')
    client.send(Buffer.concat([Buffer.from(upgradeRequest()), early.subarray(0, 3)]))
    const server = await backend.connection(0)
    await server.message('request')
    client.send(early.subarray(3))
    server.send(switching())
    expect((await readFrame(server)).payload.toString()).toBe('early')
    expect(gateway.backends[0]).toMatchObject({ messagesFromClients: 1, bytesFromClients: early.length })
  })

  test('more than the gateway holds waits, and all of it arrives', async () => {
    const backend = await stage.raw()
    const { port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    const payload = pattern(8 * MiB)
    client.send(Buffer.concat([Buffer.from(upgradeRequest()), clientFrame(opcodes.binary, payload)]))
    const server = await backend.connection(0)
    await server.message('request')
    const held = await atRest(() => client.socket.writableLength)
    expect(held).toBeGreaterThan(0)
    server.send(switching())
    expect((await readFrame(server)).payload.equals(payload)).toBe(true)
  })

  test('a message in the segment of the 101 reaches the client behind it, also with the end of everything', async () => {
    const backend = await stage.raw()
    const { port, log } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    client.send(upgradeRequest())
    const server = await backend.connection(0)
    await server.message('request')
    server.send(Buffer.concat([Buffer.from(switching()), frame(1, 'first'), closeFrame(4000, 'full', false)]))
    server.end()
    expect((await client.message()).status).toBe(101)
    expect((await readFrame(client)).payload.toString()).toBe('first')
    expect(closeOf(await readFrame(client))).toEqual({ code: 4000, reason: 'full' })
    expect(await client.ending()).toBe('fin')
    client.send(closeFrame(4000, 'full', true)).end()
    expect(closeOf(await readFrame(server)).code).toBe(4000)
    expect(await log.line('tunnel.closed')).toMatchObject({
      endedBy: 'backend',
      closeCode: 4000,
      messagesFromBackend: 1,
    })
  })
})

describe('a reader that stops reading', () => {
  /** Sends until nothing moves any more; then the reader goes on, and all arrives in order. */
  async function slow(tunnel: RawTunnel, from: 'client' | 'server'): Promise<void> {
    const [sender, reader] =
      from === 'client' ? [tunnel.client, tunnel.server] : [tunnel.server, tunnel.client]
    reader.socket.pause()
    const payload = pattern(64 * MiB)
    const before = process.memoryUsage().rss
    sender.send(from === 'client' ? clientFrame(opcodes.binary, payload) : frame(opcodes.binary, payload))
    const stuck = await atRest(() => sender.socket.bytesWritten - sender.socket.writableLength)
    // The kernel's buffers of four sockets, and no more than a few chunks of ours.
    expect(payload.length - sender.socket.writableLength).toBeLessThan(32 * MiB)
    expect(stuck).toBeGreaterThan(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(350 * MiB)
    reader.socket.resume()
    expect((await readFrame(reader)).payload.equals(payload)).toBe(true)
  }

  test('slows its backend down, and loses nothing', async () => {
    await slow(await rawTunnel(stage), 'server')
  })

  test('slows its client down, and loses nothing', async () => {
    await slow(await rawTunnel(stage), 'client')
  })

  test('does not hold up the other direction', async () => {
    const { client, server } = await rawTunnel(stage)
    client.socket.pause()
    server.send(frame(opcodes.binary, Buffer.alloc(16 * MiB)))
    await atRest(() => server.socket.writableLength)
    client.send(clientFrame(opcodes.text, 'still here'))
    expect((await readFrame(server)).payload.toString()).toBe('still here')
  })
})

test('a tunnel over Unix sockets on both sides carries, drains and is cut like any other', async () => {
  const folder = await stage.folder()
  const backend = await stage.raw(undefined, join(folder, 'backend'))
  const path = join(folder, 'gateway')
  const { gateway, log } = await stage.gateway({ listen: [{ path }], backends: [backend.address] })
  const first = await joinTunnel(stage, path, backend)
  const payload = pattern(4 * MiB)
  first.client.send(clientFrame(opcodes.binary, payload))
  expect((await readFrame(first.server)).payload.equals(payload)).toBe(true)
  first.server.send(frame(opcodes.binary, payload))
  expect((await readFrame(first.client)).payload.equals(payload)).toBe(true)
  first.client.close()
  await first.server.ending()
  first.server.close()
  expect(await log.line('tunnel.closed')).toMatchObject({ backend: backend.address, endedBy: 'client' })

  const second = await joinTunnel(stage, path, backend)
  const drained = gateway.drain(200)
  expect(closeOf(await readFrame(second.client)).code).toBe(1001)
  await drained
  await log.line('tunnel.closed', 1)
  expect(gateway.backends[0]?.connections).toBe(0)
})

describe('a side that has finished', () => {
  test('the client: its FIN is passed on behind its bytes, and the backend may still speak', async () => {
    const { client, server, log } = await rawTunnel(stage)
    client.send(clientFrame(opcodes.text, 'last')).end()
    expect((await readFrame(server)).payload.toString()).toBe('last')
    expect(await server.ending()).toBe('fin')
    server.send(frame(opcodes.text, 'one')).send(frame(opcodes.text, 'two'))
    expect((await readFrame(client)).payload.toString()).toBe('one')
    expect((await readFrame(client)).payload.toString()).toBe('two')
    server.end()
    expect(await client.ending()).toBe('fin')
    expect(await log.line('tunnel.closed')).toMatchObject({ endedBy: 'client', closeCode: 1006 })
  })

  test('the backend: its FIN is passed on behind its bytes, and the client may still speak', async () => {
    const { client, server, log } = await rawTunnel(stage)
    const payload = pattern(4 * MiB)
    server.send(frame(opcodes.binary, payload)).end()
    expect((await readFrame(client)).payload.equals(payload)).toBe(true)
    expect(await client.ending()).toBe('fin')
    client.send(clientFrame(opcodes.text, 'one'))
    expect((await readFrame(server)).payload.toString()).toBe('one')
    client.end()
    expect(await server.ending()).toBe('fin')
    expect(await log.line('tunnel.closed')).toMatchObject({ endedBy: 'backend', closeCode: 1006 })
  })

  test.each(['client', 'server'] as const)('the %s: both are cut after timeouts.halfClosed', async (who) => {
    const tunnel = await rawTunnel(stage, { timeouts: { halfClosed: '100ms' } })
    const other = who === 'client' ? tunnel.server : tunnel.client
    tunnel[who].end()
    expect(await other.ending()).toBe('fin')
    expect(await tunnel[who].ending()).toBe('reset')
    const endedBy = who === 'client' ? 'client' : 'backend'
    expect(await tunnel.log.line('tunnel.closed')).toMatchObject({ endedBy })
    expect(tunnel.gateway.backends[0]?.connections).toBe(0)
  })

  test('the client, right behind its answer to a Close: the backend gets that answer and no reset', async () => {
    const { client, server } = await rawTunnel(stage)
    server.send(closeFrame(1000, '', false))
    await readFrame(client)
    client.send(closeFrame(1000, '', true)).end()
    expect(closeOf(await readFrame(server)).code).toBe(1000)
    expect([await server.ending(), await client.ending()]).toEqual(['fin', 'fin'])
    server.end()
  })
})

describe('a side that breaks', () => {
  test('a client that resets takes its backend connection with it', async () => {
    const { client, server, log, gateway } = await rawTunnel(stage)
    client.reset()
    expect(await server.ending()).toBe('reset')
    expect(await log.line('tunnel.closed')).toMatchObject({
      endedBy: 'client',
      closeCode: 1006,
      error: 'reset',
    })
    expect(gateway.backends[0]?.connections).toBe(0)
  })

  test('a backend that resets ends its client', async () => {
    const { client, server, log } = await rawTunnel(stage)
    server.reset()
    await client.ending()
    client.end()
    expect(await log.line('tunnel.closed')).toMatchObject({
      endedBy: 'backend',
      closeCode: 1006,
      error: 'reset',
    })
  })

  test('what a backend said before it died is delivered', async () => {
    const { client, server, gateway } = await rawTunnel(stage)
    client.socket.pause()
    const message = frame(opcodes.binary, pattern(MiB))
    server.send(message)
    expect(await eventually(() => gateway.backends[0]?.bytesFromBackends === message.length)).toBe(true)
    server.reset()
    client.socket.resume()
    expect((await readFrame(client)).payload.equals(pattern(MiB))).toBe(true)
    await client.ending()
  })

  test('the last words of a backend reach a client that reads them after the deadline', async () => {
    const { client, server, log } = await rawTunnel(stage, { timeouts: { halfClosed: '150ms' } })
    client.socket.pause()
    const message = frame(opcodes.binary, pattern(MiB / 2))
    server.send(message).end()
    expect(await log.line('tunnel.closed')).toMatchObject({ endedBy: 'backend' })
    client.socket.resume()
    expect((await readFrame(client)).payload.equals(pattern(MiB / 2))).toBe(true)
    expect(await client.ending()).toBe('fin')
  })

  test('a client that vanishes while its backend streams: the backend is cut and not read on', async () => {
    const { client, server, log, gateway } = await rawTunnel(stage)
    client.socket.pause()
    server.send(frame(opcodes.binary, Buffer.alloc(64 * MiB)))
    await atRest(() => server.socket.writableLength)
    client.reset()
    expect(await server.ending()).toBe('reset')
    await log.line('tunnel.closed')
    expect(gateway.backends[0]?.connections).toBe(0)
    expect(gateway.backends[0]?.bytesFromBackends).toBeLessThan(48 * MiB)
  })
})
