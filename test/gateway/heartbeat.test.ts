import { afterEach, describe, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { EchoServer } from './support/echo-server.ts'
import { eventually } from './support/eventually.ts'
import { clientFrame, closeFrame, closeOf, type Frame, frame, opcodes, readFrame } from './support/frames.ts'
import { rawTunnel } from './support/handshakes.ts'
import { Stage, type StageOptions } from './support/stage.ts'
import { Talker } from './support/talker.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

type To = 'both' | 'client' | 'backend'

function beating(to: To, interval: `${number}ms` = '60ms'): StageOptions {
  return { routes: [{ pool: 'main', heartbeat: { interval, misses: 2, to } }] }
}

const unanswered = { code: 1001, reason: 'the other side does not answer' }
const isOurs = ({ opcode, payload }: Frame) => opcode === opcodes.ping && payload.includes('fairlead')

/** The next ping of the gateway, with nothing before it. */
async function ourPing(wire: Wire): Promise<Frame> {
  const ping = await readFrame(wire)
  expect(isOurs(ping)).toBe(true)
  return ping
}

/** Sends in two pieces that arrive as two, as far as that can be had. */
async function sendSplit(wire: Wire, bytes: Buffer, at: number): Promise<void> {
  await wire.flush(bytes.subarray(0, at))
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  await wire.flush(bytes.subarray(at))
}

describe('a heartbeat', () => {
  test.each(['client', 'backend'] as const)(
    'pings the %s, and takes the pong out wherever it is split',
    async (to) => {
      const { client, server } = await rawTunnel(stage, beating(to))
      const [peer, other, masked] = to === 'client' ? [client, server, true] : [server, client, false]
      const length = masked ? 22 : 18
      for (let at = 1; at < length; at++) {
        const ping = await ourPing(peer)
        expect(ping.masked).toBe(!masked)
        const pong = frame(opcodes.pong, ping.payload, { masked })
        expect(pong.length).toBe(length)
        const [before, after] = ['before', 'after'].map((text) =>
          frame(opcodes.text, `${text} ${at}`, { masked }),
        )
        const around = Buffer.concat([before as Buffer, pong, after as Buffer])
        await sendSplit(peer, around, (before as Buffer).length + at)
        expect((await readFrame(other)).payload.toString()).toBe(`before ${at}`)
        expect((await readFrame(other)).payload.toString()).toBe(`after ${at}`)
      }
      expect(other.pending).toBe(0)
    },
  )

  test('leaves the pings and pongs of the two ends to them, also while an answer is owed', async () => {
    const { client, server } = await rawTunnel(stage, beating('both', '1000ms'))
    const [toClient, toServer] = [await ourPing(client), await ourPing(server)]
    client.send(clientFrame(opcodes.ping, 'mine')).send(clientFrame(opcodes.pong, 'unasked'))
    expect(await readFrame(server)).toMatchObject({ opcode: opcodes.ping, payload: Buffer.from('mine') })
    expect(await readFrame(server)).toMatchObject({ opcode: opcodes.pong, payload: Buffer.from('unasked') })
    server.send(frame(opcodes.pong, 'mine'))
    expect(await readFrame(client)).toMatchObject({ opcode: opcodes.pong, payload: Buffer.from('mine') })
    // The payload of the other leg's ping, and our own inside a message, are nobody's answer either.
    client.send(clientFrame(opcodes.pong, toServer.payload))
    client.send(clientFrame(opcodes.binary, frame(opcodes.pong, toClient.payload)))
    expect(await readFrame(server)).toMatchObject({ opcode: opcodes.pong, payload: toServer.payload })
    expect(await readFrame(server)).toMatchObject({ payload: frame(opcodes.pong, toClient.payload) })
    client.send(clientFrame(opcodes.pong, toClient.payload)).send(clientFrame(opcodes.text, 'end'))
    expect((await readFrame(server)).payload.toString()).toBe('end')
  })

  test.each(['all', 'only the last'] as const)('of several pings takes out each pong: %s', async (which) => {
    const heartbeat = { interval: '60ms', misses: 10, to: 'client' } as const
    const { client, server } = await rawTunnel(stage, { routes: [{ pool: 'main', heartbeat }] })
    for (let round = 0; round < 3; round++) {
      const pings = [await ourPing(client), await ourPing(client), await ourPing(client)]
      for (const { payload } of which === 'all' ? pings : pings.slice(-1)) {
        const pong = clientFrame(opcodes.pong, payload)
        // Its last byte comes alone, so that each pong is a chunk of its own.
        await sendSplit(client, pong, pong.length - 1)
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      }
      client.send(clientFrame(opcodes.text, `round ${round}`))
      expect((await readFrame(server)).payload.toString()).toBe(`round ${round}`)
    }
  })

  test('waits for the end of the frame at hand', async () => {
    const { client, server } = await rawTunnel(stage, beating('both'))
    const whole = frame(opcodes.binary, Buffer.alloc(1000, 'x'))
    server.send(whole.subarray(0, 500))
    // The other leg is between two frames, and its pings tell that time has passed.
    for (let beats = 0; beats < 3; beats++) {
      await ourPing(server)
      server.send(whole.subarray(500 + beats, 501 + beats))
    }
    server.send(whole.subarray(503))
    let first = await readFrame(client)
    while (isOurs(first)) first = await readFrame(client)
    expect(first.payload.length).toBe(1000)
    await ourPing(client)
  })

  test.each(['plain', 'compressed'] as const)('is invisible to ws on both sides (%s)', async (kind) => {
    const seen = { pings: 0, pongs: 0 }
    const onConnection = (socket: WebSocket) => {
      socket.on('ping', () => seen.pings++).on('pong', () => seen.pongs++)
      socket.on('message', (data, binary) => socket.send(data, { binary }))
    }
    const backend = await new EchoServer({ deflate: kind === 'compressed', onConnection }).listen()
    stage.add(() => backend.close())
    const running = await stage.gateway({ backends: [backend.address], ...beating('both') })
    const client = await new Talker(running.port, [], kind === 'compressed').opened
    let pings = 0
    client.socket.on('ping', () => pings++).on('pong', () => seen.pongs++)
    for (let round = 0; pings < 6 || seen.pings < 6; round++) {
      const text = 'round '.repeat(round % 3000)
      expect((await client.ask(text)).data.toString()).toBe(text)
    }
    expect(seen.pongs).toBe(0)
    client.socket.close(1000)
    expect((await client.closed).code).toBe(1000)
  })

  test('finds a client that does not answer, cuts it and tells the backend (node-http-proxy#1223, traefik#3165)', async () => {
    const { client, server, log, gateway } = await rawTunnel(stage, beating('client'))
    const close = await readFrame(server)
    expect([closeOf(close), close.masked]).toEqual([unanswered, true])
    server.send(closeFrame(1001, '', false))
    expect(await server.ending()).toBe('fin')
    server.end()
    expect(await client.ending()).toBe('reset')
    expect(await log.line('tunnel.closed')).toMatchObject({ endedBy: 'gateway', closeCode: 1001 })
    expect(gateway.backends[0]?.connections).toBe(0)
  })

  test('finds a backend that does not answer, cuts it and tells the client', async () => {
    const { client, server, log } = await rawTunnel(stage, beating('backend'))
    expect(closeOf(await readFrame(client))).toEqual(unanswered)
    client.send(closeFrame(1001, '', true))
    expect(await client.ending()).toBe('fin')
    client.end()
    expect(await server.ending()).toBe('reset')
    await log.line('tunnel.closed')
  })

  test('lets a peer live that talks but knows no pongs', async () => {
    const { client, server } = await rawTunnel(stage, beating('client'))
    for (let beats = 0; beats < 8; beats++) {
      await ourPing(client)
      client.send(clientFrame(opcodes.text, `${beats}`))
      expect((await readFrame(server)).payload.toString()).toBe(`${beats}`)
    }
  })

  test('keeps what it held back of a stream that ends within what may have been its pong', async () => {
    const { client, server } = await rawTunnel(stage, beating('client', '1000ms'))
    const pong = clientFrame(opcodes.pong, (await ourPing(client)).payload)
    client.send(pong.subarray(0, 15)).end()
    expect((await server.rest()).text).toBe(pong.toString('latin1', 0, 15))
    server.end()
  })

  test('says goodbye properly in the middle of a pong', async () => {
    const { client, server, gateway } = await rawTunnel(stage, beating('client', '1000ms'))
    const pong = clientFrame(opcodes.pong, (await ourPing(client)).payload)
    await client.flush(pong.subarray(0, 15))
    const drained = gateway.drain(60_000)
    expect(closeOf(await readFrame(server)).code).toBe(1001)
    expect(closeOf(await readFrame(client)).code).toBe(1001)
    client.send(pong.subarray(15)).send(closeFrame(1001, '', true))
    server.send(closeFrame(1001, '', false))
    expect([await client.ending(), await server.ending()]).toEqual(['fin', 'fin'])
    client.end()
    server.end()
    await drained
  })
})

describe('limits of a tunnel', () => {
  test('an idle one is closed with 1001; pings do not keep it, messages do (crossws#204)', async () => {
    const { client, server, gateway } = await rawTunnel(stage, { routes: [{ pool: 'main', idle: '400ms' }] })
    const startedAt = performance.now()
    for (let message = 0; message < 8; message++) {
      client.send(clientFrame(opcodes.ping, ''))
      server.send(frame(opcodes.text, 'x'))
      await readFrame(client)
      await readFrame(server)
      const until = performance.now() + 100
      expect(await eventually(() => performance.now() > until)).toBe(true)
    }
    expect(gateway.backends[0]?.connections).toBe(1)
    const pinging = setInterval(() => client.send(clientFrame(opcodes.ping, '')), 50)
    expect(closeOf(await readFrame(client))).toEqual({ code: 1001, reason: 'idle for too long' })
    clearInterval(pinging)
    expect(performance.now() - startedAt).toBeGreaterThan(1100)
  })

  test('a frame that takes long is no idleness', async () => {
    const { client, server } = await rawTunnel(stage, { routes: [{ pool: 'main', idle: '300ms' }] })
    const whole = clientFrame(opcodes.binary, Buffer.alloc(10_000))
    for (let part = 0; part < 10; part++) {
      await client.flush(whole.subarray(part * 1000, part * 1000 + 1000))
      const until = performance.now() + 80
      expect(await eventually(() => performance.now() > until)).toBe(true)
    }
    client.send(whole.subarray(10_000))
    expect((await readFrame(server)).payload.length).toBe(10_000)
  })

  test('one that reaches its maximum age is closed with 1001, however busy', async () => {
    const { client, server } = await rawTunnel(stage, { routes: [{ pool: 'main', maxAge: '500ms' }] })
    const startedAt = performance.now()
    const talking = setInterval(() => server.send(frame(opcodes.text, 'x')), 20)
    let next = await readFrame(client)
    while (next.opcode !== opcodes.close) next = await readFrame(client)
    clearInterval(talking)
    expect(closeOf(next)).toEqual({ code: 1001, reason: 'maximum age reached' })
    expect(performance.now() - startedAt).toBeGreaterThan(400)
  })
})
