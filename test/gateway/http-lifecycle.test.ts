import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createGateway } from '../../src/config/create-gateway.ts'
import { eventually } from './support/eventually.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'
const upgrade =
  'GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

describe('start', () => {
  test('opens nothing when one port is busy, and says which', async () => {
    const busy = createServer()
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
    stage.add(() => busy.close())
    const { port } = busy.address() as { port: number }
    const gateway = createGateway(
      {
        listen: [
          { port: 0, host: '127.0.0.1' },
          { port, host: '127.0.0.1' },
        ],
        pools: { main: { backends: ['127.0.0.1:1'] } },
        routes: [{ pool: 'main' }],
      },
      { log: (await stage.gateway()).log },
    )
    const failed = await gateway.start().then(
      () => null,
      (error: Error & { code: string }) => error,
    )
    expect(failed?.code).toBe('LISTEN_ADDRESS_IN_USE')
    expect(failed?.message).toContain(`${port} (127.0.0.1)`)
    expect(gateway.listeners).toEqual([])
    await gateway.close()
  })

  test('that is overtaken by close leaves no listener', async () => {
    const { log } = await stage.gateway()
    const gateway = createGateway(
      {
        listen: [{ port: 0, host: '127.0.0.1' }],
        pools: { main: { backends: ['localhost:1'] } },
        routes: [{ pool: 'main' }],
      },
      { log },
    )
    const starting = gateway.start()
    await gateway.close()
    await starting
    expect(gateway.listeners).toEqual([])
  })

  test('does not fail over a name that does not resolve', async () => {
    const backend = await stage.raw(answering('ok'))
    const { port, log } = await stage.gateway({ backends: ['nowhere.invalid:80', backend.address] })
    const client = await stage.client(port)
    for (let i = 0; i < 4; i++) expect((await client.send(get).message()).body).toBe('ok')
    expect(log.of('backend.unresolved')[0]).toMatchObject({ backend: 'nowhere.invalid:80' })
  })
})

describe('drain', () => {
  test('ends idle connections at once, lets answers finish with Connection: close, and accepts nobody', async () => {
    const backend = await stage.raw()
    const { gateway, port } = await stage.gateway({ backends: [backend.address] })
    const silent = await stage.client(port)
    const idle = await stage.client(port)
    const busy = await stage.client(port)
    idle.send(get)
    const first = await backend.connection(0)
    await first.message('request')
    first.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    await idle.message()
    busy.send(get)
    await first.message('request')
    const drained = gateway.drain(10_000)
    expect(await idle.ending()).toBe('fin')
    expect(await silent.ending()).toBe('fin')
    await expect(Wire.to(port)).rejects.toThrow()
    idle.end()
    silent.end()
    first.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast')
    const answer = await busy.message()
    expect([answer.body, answer.fields.get('connection')]).toEqual(['last', ['close']])
    expect(await busy.ending()).toBe('fin')
    busy.end()
    await drained
  })

  test('answers a request whose head is still coming', async () => {
    const backend = await stage.raw(answering('ok'))
    const { gateway, port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    await client.flush(Buffer.from(get.slice(0, 10)))
    // A connection is accepted, and its bytes read, some turns after they were sent.
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    const drained = gateway.drain(10_000)
    const answer = await client.send(get.slice(10)).message()
    expect([answer.body, answer.fields.get('connection')]).toEqual(['ok', ['close']])
    client.end()
    await drained
  })

  test('answers an upgrade that is under way, or comes too late, with 503', async () => {
    const backend = await stage.raw()
    const { gateway, port, log } = await stage.gateway({ backends: [backend.address] })
    const early = await stage.client(port)
    const late = await stage.client(port)
    await late.flush(Buffer.from(upgrade.slice(0, 20)))
    early.send(upgrade)
    const wire = await backend.connection(0)
    await wire.until('\r\n\r\n')
    const drained = gateway.drain(10_000)
    late.send(upgrade.slice(20))
    wire.send(accepted)
    for (const client of [early, late]) {
      const answer = await client.message()
      expect(answer.status).toBe(503)
      expect(answer.body).toContain('GATEWAY_STOPPING')
      expect(answer.fields.has('retry-after')).toBe(true)
      client.end()
    }
    await drained
    expect(log.of('tunnel.opened')).toEqual([])
  })

  test('gives up after its time', async () => {
    const backend = await stage.raw()
    const { gateway, port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    client.send(get)
    await backend.connection(0)
    await gateway.drain(50)
    await gateway.close()
    expect(await client.ending()).toBe('reset')
  })
})

describe('close', () => {
  test('may be called twice, cuts what is live and leaves nothing open', async () => {
    const before = descriptors()
    // One backend never closes what it was told to close, one never answers, one keeps its connection idle.
    const stubborn = await stage.raw(async (wire) => {
      await wire.until('\r\n\r\n')
      wire.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
    const silent = await stage.raw()
    const idle = await stage.raw(answering('ok'))
    const path = (name: string) => ({ match: { path: `/${name}` }, pool: name })
    const { gateway, port } = await stage.gateway({
      pools: {
        stubborn: { backends: [stubborn.address] },
        silent: { backends: [silent.address] },
        idle: { backends: [idle.address] },
      },
      routes: [path('stubborn'), path('silent'), path('idle')],
    })
    const client = await stage.client(port)
    for (const name of ['stubborn', 'idle']) await client.send(get.replace('/x', `/${name}`)).message()
    client.send(get.replace('/x', '/silent'))
    const wires = await Promise.all([stubborn, silent, idle].map((backend) => backend.connection(0)))
    await wires[1]?.until('\r\n\r\n')
    await Promise.all([gateway.close(), gateway.close()])
    await gateway.close()
    for (const wire of [client, wires[1], wires[2]]) expect(await wire?.ending()).toBe('reset')
    expect(gateway.listeners).toEqual([])
    expect(gateway.backends.map(({ connections }) => connections)).toEqual([0, 0, 0])
    await stage.close()
    expect(await eventually(() => descriptors() <= before)).toBe(true)
  })

  test('is what the end of `await using` does', async () => {
    const { gateway, port } = await stage.gateway()
    await gateway[Symbol.asyncDispose]()
    await expect(Wire.to(port)).rejects.toThrow()
  })

  test('cuts a connection that a backend was asked to end and did not', async () => {
    const stubborn = await stage.raw(async (wire) => {
      await wire.until('\r\n\r\n')
      wire.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
    const { gateway, port } = await stage.gateway({ backends: [stubborn.address] })
    await (await stage.client(port)).send(get).message()
    const wire = await stubborn.connection(0)
    expect(await wire.ending()).toBe('fin')
    const cut = new Promise((resolve) => wire.socket.once('close', resolve))
    await gateway.close()
    // A reset is noticed by a write at the latest.
    wire.send('!')
    await cut
  })
})

/** Open descriptors of this process; 0 where that cannot be counted. */
function descriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}
