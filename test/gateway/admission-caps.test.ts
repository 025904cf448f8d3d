import { afterEach, describe, expect, test } from 'vitest'
import type { GatewayOptions } from '../../src/gateway/options.ts'
import { EchoServer } from './support/echo-server.ts'
import { eventually } from './support/eventually.ts'
import { upgradeRequest } from './support/handshakes.ts'
import { type Asking, ask, open, seatsAreTunnels, serve } from './support/seats.ts'
import { type Running, Stage } from './support/stage.ts'
import { Talker } from './support/talker.ts'

const stage = new Stage()
afterEach(() => stage.close())

type PoolOptions = Omit<GatewayOptions['pools'][string], 'backends'>

/** A gateway whose clients say who they are, in front of one backend that takes every WebSocket. */
async function gateway(pool: PoolOptions = {}, options: Partial<GatewayOptions> = {}) {
  const backend = await stage.raw(serve)
  const running = await stage.gateway({
    pools: { main: { backends: [backend.address], ...pool } },
    trustedProxies: ['127.0.0.1'],
    ...options,
  })
  return { ...running, backend }
}

const waiting = ({ gateway }: Running) => gateway.admission.waiting
const untilWaiting = async (running: Running, count: number) =>
  expect(await eventually(() => waiting(running) === count)).toBe(true)

test('nothing is capped that was not told to be: 1500 tunnels over a default gateway (envoy#20020)', async () => {
  const backend = await new EchoServer().listen()
  stage.add(() => backend.close())
  const { gateway, port } = await stage.gateway({ backends: [backend.address] })
  const clients: Talker[] = []
  stage.add(() => {
    for (const { socket } of clients) socket.terminate()
  })
  while (clients.length < 1500) {
    const batch = Array.from({ length: 100 }, () => new Talker(port))
    clients.push(...batch)
    await Promise.all(batch.map(({ opened }) => opened))
  }
  expect(gateway.admission).toMatchObject({ seats: 1500, maxConnections: null, waiting: 0, knownClients: 0 })
  expect(gateway.backends[0]).toMatchObject({ connections: 1500, seats: 1500, maxConnections: null })
  expect(String((await (clients[1499] as Talker).ask('still there')).data)).toBe('still there')
})

describe.each([
  ['the gateway', {}, { admission: { maxConnections: 2 } }],
  ['a pool', { maxConnections: 2 }, {}],
  ['each backend of a pool', { maxConnectionsPerBackend: 2 }, {}],
] as [string, PoolOptions, Partial<GatewayOptions>][])('a cap of %s', (_, pool, options) => {
  test('lets so many in; the next waits for a seat and gets the first that is freed', async () => {
    const running = await gateway(pool, options)
    const first = await open(stage, running)
    await open(stage, running)
    const third = await ask(stage, running)
    await untilWaiting(running, 1)
    expect([running.gateway.admission.seats, third.status]).toEqual([2, 0])
    expect(running.gateway.pools[0]).toMatchObject({ seats: 2, waiting: 1 })
    expect(running.backend.connections.length).toBe(2)
    const freed = performance.now()
    first.close()
    expect((await third.answer).status).toBe(101)
    const { handshakeMs, waitedMs } = (await running.log.line('tunnel.opened', 2)) as unknown as {
      handshakeMs: number
      waitedMs: number
    }
    expect(waitedMs).toBeGreaterThan(0)
    expect(waitedMs).toBeLessThanOrEqual(handshakeMs)
    expect(performance.now() - freed).toBeLessThan(1000)
    expect(seatsAreTunnels(running)).toBe(true)
    expect((await running.log.line('tunnel.opened', 0)).waitedMs).toBe(0)
  })

  test('keeps nobody waiting for whom no backend is left', async () => {
    const running = await gateway({ waitingRoom: { timeout: '30s' }, ...pool }, options)
    for (let i = 0; i < 2; i++) await open(stage, running)
    const waits = [await ask(stage, running), await ask(stage, running)]
    await untilWaiting(running, 2)
    running.gateway.disable(running.backend.address)
    expect(await eventually(() => waits.every(({ status }) => status === 503))).toBe(true)
    expect((await waits[0]?.answer)?.body).toContain('NO_BACKEND')
    expect(running.gateway.admission).toMatchObject({ seats: 2, waiting: 0 })
  })
})

test('HTTP requests take no seat', async () => {
  const backend = await new EchoServer().listen()
  stage.add(() => backend.close())
  const { gateway, port } = await stage.gateway({
    pools: { main: { backends: [backend.address], maxConnections: 1, waitingRoom: { size: 0 } } },
  })
  await new Talker(port).opened
  for (let index = 0; index < 5; index++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    expect([answer.status, await answer.text()]).toEqual([200, 'plain'])
  }
  expect(gateway.admission.seats).toBe(1)
})

test('a backend that is full is passed over, and its own cap goes before that of its pool', async () => {
  const small = await stage.raw(serve)
  const large = await stage.raw(serve)
  const running = await stage.gateway({
    pools: {
      main: {
        policy: 'source-ip-hash',
        maxConnectionsPerBackend: 5,
        backends: [{ address: small.address, maxConnections: 2 }, large.address],
      },
    },
  })
  for (let index = 0; index < 7; index++) await open(stage, running)
  const seats = running.gateway.backends.map((backend) => [backend.seats, backend.maxConnections])
  expect(seats).toEqual([
    [2, 2],
    [5, 5],
  ])
  await ask(stage, running)
  await untilWaiting(running, 1)
})

test('a sticky client goes elsewhere while its backend is full', async () => {
  const one = await stage.raw(serve)
  const two = await stage.raw(serve)
  const running = await stage.gateway({
    pools: {
      main: {
        policy: { sticky: { secret: 'a secret of enough characters for this' } },
        maxConnectionsPerBackend: 1,
        backends: [one.address, two.address],
      },
    },
  })
  const first = await ask(stage, running)
  const cookie = (await first.answer).fields.get('set-cookie')?.[0]?.split(';')[0] as string
  const again = await stage.client(running.port)
  again.send(upgradeRequest({ Cookie: cookie }))
  expect((await again.message()).status).toBe(101)
  expect(running.gateway.backends.map(({ seats }) => seats)).toEqual([1, 1])
})

describe('whoever waits', () => {
  test('too long gets 503 and is told when to return, never 403 (envoyproxy/gateway#9452)', async () => {
    const running = await gateway({ maxConnections: 1, waitingRoom: { timeout: '150ms' } })
    await open(stage, running)
    const late = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => ask(stage, running)))
    const answers = await Promise.all(late.map(({ answer }) => answer))
    for (const { status, fields, body } of answers) {
      expect(status).toBe(503)
      expect(body).toContain('WAITED_TOO_LONG')
      expect(Number(fields.get('retry-after')?.[0])).toBeGreaterThanOrEqual(1)
    }
    const line = await running.log.line('request.completed')
    expect(line).toMatchObject({ status: 503, code: 'WAITED_TOO_LONG' })
    expect(line.waitedMs as number).toBeGreaterThanOrEqual(149)
    expect(seatsAreTunnels(running)).toBe(true)
  })

  test('and leaves gives its place up at once', async () => {
    const running = await gateway({ maxConnections: 1, waitingRoom: { size: 2 } })
    await open(stage, running)
    const [one, two] = [await ask(stage, running, '192.0.2.1'), await ask(stage, running, '192.0.2.2')]
    await untilWaiting(running, 2)
    expect((await (await ask(stage, running, '192.0.2.3')).answer).body).toContain('WAITING_ROOM_FULL')
    one.wire.reset()
    await untilWaiting(running, 1)
    two.wire.end()
    await untilWaiting(running, 0)
    await ask(stage, running, '192.0.2.3')
    await untilWaiting(running, 1)
    expect(running.gateway.admission.seats).toBe(1)
  })

  test('and talks early is heard by the backend, first word first', async () => {
    const running = await gateway({ maxConnections: 1 })
    const first = await open(stage, running)
    const second = await ask(stage, running)
    second.wire
      .send(Uint8Array.of(0x81, 0x81, 0, 0, 0, 0, 0x61))
      .send(Uint8Array.of(0x81, 0x81, 0, 0, 0, 0, 0x62))
    await untilWaiting(running, 1)
    first.close()
    expect((await second.answer).status).toBe(101)
    const server = await running.backend.connection(1)
    expect([...(await server.bytes(14))]).toEqual([
      0x81, 0x81, 0, 0, 0, 0, 0x61, 0x81, 0x81, 0, 0, 0, 0, 0x62,
    ])
  })

  test('is answered at once when the gateway stops', async () => {
    const running = await gateway({ maxConnections: 1 }, { timeouts: { shutdown: '1s' } })
    await open(stage, running)
    const late = await ask(stage, running)
    await untilWaiting(running, 1)
    const startedAt = performance.now()
    const drained = running.gateway.drain(1000)
    expect((await late.answer).body).toContain('GATEWAY_STOPPING')
    expect(performance.now() - startedAt).toBeLessThan(900)
    await drained
  })

  test('is answered at once when there is no backend left that could serve it', async () => {
    const running = await gateway({ maxConnectionsPerBackend: 1, waitingRoom: { timeout: '20s' } })
    await open(stage, running)
    const late = await Promise.all([ask(stage, running), ask(stage, running)])
    await untilWaiting(running, 2)
    running.gateway.disable(running.backend.address)
    for (const { answer } of late) expect(await answer).toMatchObject({ status: 503 })
    expect((await (late[0] as (typeof late)[0]).answer).body).toContain('NO_BACKEND')
    // And whoever comes now does not even begin to wait.
    expect((await (await ask(stage, running)).answer).body).toContain('NO_BACKEND')
    expect(seatsAreTunnels(running)).toBe(true)
  })

  test('gets a backend that may serve again, or that has got its weight back', async () => {
    const other = await stage.raw(serve)
    const backend = await stage.raw(serve)
    const running = await stage.gateway({
      pools: {
        main: {
          maxConnectionsPerBackend: 1,
          waitingRoom: { timeout: '20s' },
          backends: [backend.address, { address: other.address, state: 'disabled' }],
        },
      },
    })
    await open(stage, running)
    const second = await ask(stage, running)
    await untilWaiting(running, 1)
    running.gateway.enable(other.address)
    expect((await second.answer).status).toBe(101)
    running.gateway.setWeight(other.address, 0)
    second.wire.close()
    expect(await eventually(() => running.gateway.admission.seats === 1)).toBe(true)
    const third = await ask(stage, running)
    await untilWaiting(running, 1)
    running.gateway.setWeight(other.address, 1)
    expect((await third.answer).status).toBe(101)
    expect(seatsAreTunnels(running)).toBe(true)
  })
})

describe('a full waiting room', () => {
  test('refuses newcomers with 503 and says when to return, spread over some seconds', async () => {
    const running = await gateway({ maxConnections: 1, waitingRoom: { size: 3 } })
    await open(stage, running)
    for (let index = 0; index < 3; index++) await ask(stage, running, `192.0.2.${index}`)
    await untilWaiting(running, 3)
    const refused = new Set<string>()
    for (let index = 0; index < 40; index++) {
      const { status, body, fields } = await (await ask(stage, running, `198.51.100.${index}`)).answer
      expect([status, body.includes('WAITING_ROOM_FULL')]).toEqual([503, true])
      refused.add(fields.get('retry-after')?.[0] as string)
    }
    expect(refused.size).toBeGreaterThan(3)
    expect(waiting(running)).toBe(3)
  })

  test('is taken from one address that floods it, and others get in', async () => {
    const running = await gateway({ maxConnections: 1, waitingRoom: { size: 10 } })
    const holder = await open(stage, running)
    const flood: Asking[] = []
    for (let index = 0; index < 30; index++) flood.push(await ask(stage, running, '192.0.2.66'))
    await untilWaiting(running, 10)
    const others = []
    for (let index = 0; index < 5; index++) others.push(await ask(stage, running, `198.51.100.${index}`))
    expect(await eventually(() => flood.filter(({ status }) => status === 503).length === 25)).toBe(true)
    expect(others.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0])
    // The newest of the flood had to go, and the five others have their turns before the rest of it.
    expect(flood.slice(0, 5).map(({ status }) => status)).toEqual([0, 0, 0, 0, 0])
    holder.close()
    const order: string[] = []
    const follow = async (name: string, { wire, answer }: Asking) => {
      await answer
      order.push(name)
      wire.close()
    }
    await Promise.all([
      ...flood.slice(0, 5).map((asking) => follow('flood', asking)),
      ...others.map((asking) => follow('other', asking)),
    ])
    expect(order).toEqual([
      'flood',
      'other',
      'other',
      'other',
      'other',
      'other',
      'flood',
      'flood',
      'flood',
      'flood',
    ])
  })

  test('is told by an event and the log, once, until it is half empty', async () => {
    const running = await gateway({ maxConnections: 1, waitingRoom: { size: 10 } })
    const levels: unknown[] = []
    running.gateway.on('room.level', (change) => levels.push(change))
    await open(stage, running)
    const late = []
    for (let index = 0; index < 12; index++) late.push(await ask(stage, running, `192.0.2.${index}`))
    await untilWaiting(running, 10)
    late[0]?.wire.reset()
    await untilWaiting(running, 9)
    await ask(stage, running, '198.51.100.1')
    await untilWaiting(running, 10)
    for (const { wire } of late) wire.reset()
    await untilWaiting(running, 1)
    const told = { pool: 'main', size: 10 }
    expect(levels).toEqual([
      { ...told, level: 'filling', waiting: 8 },
      { ...told, level: 'full', waiting: 10 },
      { ...told, level: 'calm', waiting: 4 },
    ])
    expect(running.log.of('room.level').map(({ level }) => level)).toEqual(['filling', 'full', 'calm'])
  })
})

describe('one client', () => {
  test('has at most so many connections, those that wait included; more get 429 at once', async () => {
    const running = await gateway({ maxConnections: 2 }, { admission: { maxConnectionsPerClient: 3 } })
    const [one] = [await open(stage, running, '192.0.2.1'), await open(stage, running, '192.0.2.1')]
    await ask(stage, running, '192.0.2.1')
    await untilWaiting(running, 1)
    const { status, fields, body } = await (await ask(stage, running, '192.0.2.1')).answer
    expect([status, body.includes('CLIENT_LIMIT')]).toEqual([429, true])
    expect(Number(fields.get('retry-after')?.[0])).toBeGreaterThan(0)
    await ask(stage, running, '192.0.2.2')
    await untilWaiting(running, 2)
    expect(running.gateway.admission.knownClients).toBe(2)
    one.close()
    // Its own third gets the seat, so there is room for one more of it to wait.
    await untilWaiting(running, 1)
    await ask(stage, running, '192.0.2.1')
    await untilWaiting(running, 2)
    expect((await (await ask(stage, running, '192.0.2.1')).answer).status).toBe(429)
  })

  test('opens connections at its rate; faster ones get 429 and are told when to return', async () => {
    const running = await gateway({}, { admission: { ratePerClient: { perSecond: 0.05, burst: 3 } } })
    for (let index = 0; index < 3; index++) (await open(stage, running, '192.0.2.1')).close()
    const { status, fields, body } = await (await ask(stage, running, '192.0.2.1')).answer
    expect([status, body.includes('CLIENT_RATE')]).toEqual([429, true])
    const seconds = Number(fields.get('retry-after')?.[0])
    expect(seconds).toBeGreaterThanOrEqual(19)
    expect(seconds).toBeLessThanOrEqual(63)
    await open(stage, running, '192.0.2.2')
  })

  test('is an IPv4 address, or the /64 of an IPv6 address', async () => {
    const running = await gateway({}, { admission: { maxConnectionsPerClient: 1 } })
    const status = async (address: string) => (await (await ask(stage, running, address)).answer).status
    expect(await status('2001:db8:1:2::1')).toBe(101)
    expect(await status('2001:db8:1:2:ffff::2')).toBe(429)
    expect(await status('2001:db8:1:3::1')).toBe(101)
    expect(await status('203.0.113.1')).toBe(101)
    expect(await status('::ffff:203.0.113.1')).toBe(429)
    // What stands before the last address that a proxy added is hearsay.
    expect(await status('198.51.100.9, 203.0.113.1')).toBe(429)
  })

  test('of a Unix socket without a forwarded address shares no limit', async () => {
    const backend = await stage.raw(serve)
    const path = `${await stage.folder()}/gateway.sock`
    const running = await stage.gateway({
      listen: [{ path }],
      backends: [backend.address],
      admission: { maxConnectionsPerClient: 1 },
    })
    const statusOf = async (fields: Record<string, string> = {}) => {
      const wire = await stage.client(path)
      wire.send(upgradeRequest(fields))
      return (await wire.message()).status
    }
    expect([await statusOf(), await statusOf(), await statusOf()]).toEqual([101, 101, 101])
    expect(await statusOf({ 'X-Forwarded-For': '192.0.2.1' })).toBe(101)
    expect(await statusOf({ 'X-Forwarded-For': '192.0.2.1' })).toBe(429)
    expect(running.gateway.admission.knownClients).toBe(1)
  })
})

test('pools share what the whole gateway may have: their rooms take turns', async () => {
  const [one, two] = [await stage.raw(serve), await stage.raw(serve)]
  const running = await stage.gateway({
    admission: { maxConnections: 1 },
    pools: { one: { backends: [one.address] }, two: { backends: [two.address] } },
    routes: [{ match: { path: '/one' }, pool: 'one' }, { pool: 'two' }],
  })
  const order: string[] = []
  const connect = async (name: string) => {
    const wire = await stage.client(running.port)
    wire.send(upgradeRequest({}, `GET /${name} HTTP/1.1`))
    return { name, wire }
  }
  const holder = await connect('two')
  expect((await holder.wire.message()).status).toBe(101)
  const all = []
  for (const name of ['one', 'one', 'one', 'one', 'two', 'two']) {
    all.push(await connect(name))
    await untilWaiting(running, all.length)
  }
  holder.wire.close()
  await Promise.all(
    all.map(async ({ name, wire }) => {
      await wire.message()
      order.push(name)
      wire.close()
    }),
  )
  expect(order).toEqual(['one', 'two', 'one', 'two', 'one', 'one'])
})

test('who cannot reach its backend waits for a seat at another one', async () => {
  const other = await stage.raw(serve)
  const running = await stage.gateway({
    pools: {
      main: {
        policy: 'round-robin',
        ejection: { failures: 0 },
        maxConnectionsPerBackend: 1,
        backends: [other.address, '127.0.0.1:1'],
      },
    },
  })
  const first = await open(stage, running)
  // The other one refuses it, and this one is full.
  const second = await ask(stage, running)
  await untilWaiting(running, 1)
  first.close()
  expect((await second.answer).status).toBe(101)
  expect(running.gateway.backends.map(({ seats }) => seats)).toEqual([1, 0])
  expect(seatsAreTunnels(running)).toBe(true)
})

test('a listener that drains the gateway as soon as somebody waits leaves nobody waiting', async () => {
  const running = await gateway({ maxConnections: 1, waitingRoom: { size: 1, timeout: '30s' } })
  const first = await open(stage, running)
  const { gateway: it } = running
  let drained: Promise<void> | null = null
  it.on('room.level', () => {
    drained ??= it.drain(5000)
  })
  const second = await ask(stage, running)
  expect((await second.answer).status).toBe(503)
  expect(it.admission).toMatchObject({ seats: 1, waiting: 0 })
  first.close()
  await drained
  expect(it.admission).toMatchObject({ seats: 0, waiting: 0 })
})
