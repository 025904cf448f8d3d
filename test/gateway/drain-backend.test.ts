import { afterEach, describe, expect, test } from 'vitest'
import type { GatewayEvents } from '../../src/gateway/events.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { blackHole } from './support/black-hole.ts'
import { EchoServer } from './support/echo-server.ts'
import { eventually } from './support/eventually.ts'
import { closeFrame, closeOf, readFrame } from './support/frames.ts'
import { joinTunnel, rawTunnel, upgradeRequest } from './support/handshakes.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import { Talker } from './support/talker.ts'

const stage = new Stage()
afterEach(() => stage.close())

async function echo(): Promise<EchoServer> {
  const server = await new EchoServer().listen()
  stage.add(() => server.close())
  return server
}

async function talkers(port: number, count: number): Promise<Talker[]> {
  return Promise.all(Array.from({ length: count }, () => new Talker(port).opened))
}

/** A gateway in front of two echo servers, and so many tunnels, all to the first. */
async function crowd(count: number) {
  const [first, second] = [await echo(), await echo()]
  // In turn, so that shares can be counted.
  const backends = [first.address, second.address]
  const running = await stage.gateway({ pools: { main: { policy: 'round-robin', backends } } })
  running.gateway.disable(second.address)
  const clients = await talkers(running.port, count)
  running.gateway.enable(second.address)
  return { ...running, first, second, clients }
}

/** What the gateway tells from now on. */
function told<Name extends keyof GatewayEvents>(gateway: Gateway, event: Name): GatewayEvents[Name][] {
  const seen: GatewayEvents[Name][] = []
  gateway.on(event, (payload) => seen.push(payload))
  return seen
}

const closeRestart = closeFrame(1012, '', false)

const connectionsOf = (gateway: Gateway) => gateway.backends.map(({ connections }) => connections)
const statesOf = (gateway: Gateway) => gateway.backends.map(({ state }) => state)

describe('draining a backend', () => {
  test('closes its tunnels at a steady rate with 1012, while new ones go elsewhere (envoy#45250, flynn#3513, haproxy#93)', async () => {
    const { gateway, port, first, clients } = await crowd(80)
    const states = told(gateway, 'backend.state')
    const drains = told(gateway, 'backend.drained')
    const startedAt = performance.now()
    const times: number[] = []
    gateway.on('tunnel.closed', () => times.push(performance.now() - startedAt))
    const drained = gateway.drain(first.address, { over: '2.5s' })
    const [late] = await talkers(port, 1)
    expect((await late?.ask('here'))?.data.toString()).toBe('here')
    expect(await drained).toBe(true)
    for (const { closed } of clients) {
      expect(await closed).toEqual({ code: 1012, reason: 'backend draining' })
    }
    // The last fifth of the window is for answers: 20 tunnels in each quarter of the first 2 seconds.
    const quarters = [0, 1, 2, 3].map(
      (quarter) => times.filter((t) => Math.floor(t / 500) === quarter).length,
    )
    for (const count of quarters) expect(Math.abs(count - 20)).toBeLessThan(10)
    expect([connectionsOf(gateway), statesOf(gateway)]).toEqual([
      [0, 1],
      ['draining', 'active'],
    ])
    expect(states).toEqual([{ backend: first.address, state: 'draining', previous: 'active', by: 'api' }])
    expect(drains).toEqual([{ backend: first.address }])
  })

  test('closes idle tunnels before busy ones', async () => {
    const { gateway, first, clients } = await crowd(20)
    const order: number[] = []
    for (const [index, { socket, closed }] of clients.entries()) {
      void closed.then(() => order.push(index))
      // Busy ones answer each echo with the next message. They were opened first.
      if (index >= 10) continue
      socket.on('message', (data) => socket.readyState === socket.OPEN && socket.send(data))
      socket.send('again')
    }
    await gateway.drain(first.address, { over: '2s' })
    expect(await eventually(() => order.length === 20)).toBe(true)
    expect(order.slice(0, 10).filter((index) => index >= 10).length).toBeGreaterThanOrEqual(9)
  })

  test('is undone by enable: who is left stays, and new ones come', async () => {
    const { gateway, port, first, clients } = await crowd(40)
    const ended = new Promise<void>((resolve) => gateway.on('tunnel.closed', () => resolve()))
    const drained = gateway.drain(first.address, { over: '5s' })
    await ended
    gateway.enable(first.address)
    expect(await drained).toBe(false)
    const left = clients.filter(({ socket }) => socket.readyState === socket.OPEN)
    expect(left.length).toBeGreaterThan(20)
    for (const client of left) {
      if (client.socket.readyState === client.socket.OPEN) await client.ask('still here')
    }
    const before = connectionsOf(gateway)[0] as number
    await talkers(port, 4)
    expect(connectionsOf(gateway)[0]).toBe(before + 2)
  })

  test('can be made faster by another call', async () => {
    const { gateway, first } = await crowd(10)
    const slow = gateway.drain(first.address)
    expect(await gateway.drain(first.address, { over: 0 })).toBe(true)
    expect(await slow).toBe(true)
  })

  test('ends idle HTTP connections at once, and is not over before requests under way are answered', async () => {
    let respond = () => {}
    const backend = await stage.raw(async (wire, index) => {
      if (index === 0) await answering('idle')(wire)
      await wire.message('request')
      respond = () => wire.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate')
    })
    const { gateway, port } = await stage.gateway({ backends: [backend.address] })
    const [idle, busy] = [await stage.client(port), await stage.client(port)]
    const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    idle.send(request)
    await idle.message()
    // Takes the idle connection; the next request opens another one.
    idle.send(request)
    busy.send(request)
    await idle.message()
    await backend.connection(1)
    expect(await eventually(() => backend.connections.length === 2)).toBe(true)
    let over = false
    const drained = gateway.drain(backend.address, { over: 100 }).then((result) => {
      over = true
      return result
    })
    expect(await (await backend.connection(0)).ending()).toBe('fin')
    ;(await backend.connection(0)).end()
    expect(over).toBe(false)
    respond()
    expect((await busy.message()).body).toBe('late')
    ;(await backend.connection(1)).end()
    expect(await drained).toBe(true)
  })

  test('is not over while a connect that was begun before is under way', async () => {
    const hole = await blackHole(stage)
    const { gateway, port } = await stage.gateway({ backends: [hole], timeouts: { connect: '400ms' } })
    const client = await stage.client(port)
    client.send(upgradeRequest())
    expect(await eventually(() => gateway.backends[0]?.active === 1)).toBe(true)
    const order: string[] = []
    gateway.on('backend.drained', () => order.push(`drained, ${gateway.backends[0]?.active} active`))
    const drained = gateway.drain(hole, { over: 0 })
    expect((await client.message()).status).toBe(504)
    order.push('answered')
    expect(await drained).toBe(true)
    expect(order).toEqual(['answered', 'drained, 0 active'])
  })

  test('that says itself that it restarts, by closing with 1012, drains it', async () => {
    const [backend, other] = [await stage.raw(), await echo()]
    const { gateway, port } = await stage.gateway({ backends: [backend.address, other.address] })
    gateway.disable(other.address)
    const { client, server } = await joinTunnel(stage, port, backend)
    gateway.enable(other.address)
    const states = told(gateway, 'backend.state')
    server.send(closeRestart)
    await client.bytes(closeRestart.length)
    expect(states).toEqual([
      { backend: backend.address, state: 'draining', previous: 'active', by: 'backend' },
    ])
    await talkers(port, 4)
    expect(other.connections).toBe(4)
    gateway.enable(backend.address)
    expect(statesOf(gateway)).toEqual(['active', 'active'])
  })

  test('is not what the only backend gets for a Close 1012: it goes on serving', async () => {
    const { gateway, port, client, server, backend } = await rawTunnel(stage)
    server.send(closeRestart)
    await client.bytes(closeRestart.length)
    expect(statesOf(gateway)).toEqual(['active'])
    const next = await joinTunnel(stage, port, backend)
    next.server.send(closeRestart)
    await next.client.bytes(closeRestart.length)
    expect(statesOf(gateway)).toEqual(['active'])
  })

  test.each([
    ['is disabled', { state: 'disabled' }],
    ['is draining', { state: 'draining' }],
    ['has no weight', { weight: 0 }],
  ] as const)('by a Close 1012 does not count on another one that %s', async (_, other) => {
    const backend = await stage.raw()
    const backends = [backend.address, { address: '127.0.0.1:1', ...other }]
    const { gateway, port } = await stage.gateway({ pools: { main: { backends } } })
    const { client, server } = await joinTunnel(stage, port, backend)
    server.send(closeRestart)
    await client.bytes(closeRestart.length)
    expect(gateway.backends[0]?.state).toBe('active')
  })

  test('by a Close 1012 leaves no pool that names the backend without anybody', async () => {
    const backend = await stage.raw()
    const { gateway, port } = await stage.gateway({
      pools: {
        main: { backends: [backend.address, '127.0.0.1:1'] },
        alone: { backends: [backend.address] },
      },
    })
    gateway.disable('127.0.0.1:1')
    const { client, server } = await joinTunnel(stage, port, backend)
    gateway.enable('127.0.0.1:1')
    server.send(closeRestart)
    await client.bytes(closeRestart.length)
    expect(statesOf(gateway)).toEqual(['active', 'active', 'active'])
  })

  test('of a gateway behind this one is not what it does when one of its own backends is drained', async () => {
    const [first, second, other] = [await echo(), await echo(), await echo()]
    const policy = 'round-robin'
    const inner = await stage.gateway({
      pools: { main: { policy, backends: [first.address, second.address] } },
    })
    const outer = await stage.gateway({ backends: [`127.0.0.1:${inner.port}`, other.address] })
    outer.gateway.disable(other.address)
    const clients = await talkers(outer.port, 8)
    outer.gateway.enable(other.address)
    expect(await inner.gateway.drain(first.address, { over: 200 })).toBe(true)
    expect(await eventually(() => outer.gateway.backends[0]?.connections === 4)).toBe(true)
    expect(statesOf(outer.gateway)).toEqual(['active', 'active'])
    const ends = clients.map(({ closed }) => Promise.race([closed, Promise.resolve(null)]))
    const restart = { code: 1012, reason: 'backend draining' }
    expect((await Promise.all(ends)).filter(Boolean)).toEqual(new Array(4).fill(restart))
  })

  test('cannot be brought about by a client: a Close behind broken frames is not the word of the backend', async () => {
    const [first, second] = [await echo(), await echo()]
    const { gateway, port } = await stage.gateway({ backends: [first.address, second.address] })
    const ends = told(gateway, 'tunnel.closed')
    for (let count = 1; count <= 6; count++) {
      const client = await stage.client(port)
      client.send(upgradeRequest())
      await client.until('\r\n\r\n')
      // A text of one byte whose length takes two bytes: the servers accept it (RFC 6455 §5.2 does not).
      client.send(Uint8Array.of(0x81, 0x80 | 126, 0, 1, 0, 0, 0, 0, 0x41))
      client.send(closeFrame(1012, '', true))
      expect(closeOf(await readFrame(client))).toEqual({ code: 1002, reason: 'broken framing' })
      client.end()
      expect(await eventually(() => ends.length === count)).toBe(true)
    }
    expect(statesOf(gateway)).toEqual(['active', 'active'])
    expect(ends).toMatchObject(new Array(6).fill({ endedBy: 'client', closeCode: 1002, error: 'framing' }))
  })
})

describe('the state of a backend', () => {
  test('disabled: live tunnels stay, new ones go elsewhere', async () => {
    const { gateway, port, first, clients } = await crowd(3)
    gateway.disable(first.address)
    await talkers(port, 4)
    expect(connectionsOf(gateway)).toEqual([3, 4])
    for (const client of clients) expect((await client.ask('x')).data.toString()).toBe('x')
  })

  test('can be set by config, and the strictest counts when an address stands in several pools', async () => {
    const [first, second] = [await echo(), await echo()]
    const { gateway, port } = await stage.gateway({
      pools: {
        main: { backends: [first.address, second.address] },
        other: { backends: [{ address: first.address, state: 'draining' }] },
        third: { backends: [{ address: first.address, state: 'disabled' }] },
      },
    })
    expect(statesOf(gateway)).toEqual(['disabled', 'active', 'disabled', 'disabled'])
    await talkers(port, 3)
    expect(connectionsOf(gateway)).toEqual([0, 3, 0, 0])
  })

  test('survives a change of weights, as do the counters', async () => {
    const { gateway, port, first, second } = await crowd(2)
    gateway.setWeight(second.address, 3)
    gateway.setWeight(first.address, 1, 'main')
    expect(gateway.pools).toMatchObject([{ name: 'main', backends: [{ weight: 1 }, { weight: 3 }] }])
    await talkers(port, 8)
    expect(connectionsOf(gateway)).toEqual([4, 6])
    gateway.disable(first.address)
    gateway.setWeight(first.address, 200)
    expect(statesOf(gateway)).toEqual(['disabled', 'active'])
  })

  test('of the configuration counts once: a change of weights does not bring it back', async () => {
    const { gateway } = await stage.gateway({
      pools: { main: { backends: [{ address: '127.0.0.1:1', state: 'disabled' }, '127.0.0.1:2'] } },
    })
    gateway.enable('127.0.0.1:1')
    gateway.setWeight('127.0.0.1:2', 5)
    expect(statesOf(gateway)).toEqual(['active', 'active'])
  })

  test('and its health survive a change of weights, also on routes with a policy of their own', async () => {
    const health = { tcp: true, interval: '50ms', fall: 1 } as const
    const up = await echo()
    const { gateway, port } = await stage.gateway({
      pools: { main: { policy: { hash: { header: 'x' } }, backends: ['127.0.0.1:1', up.address], health } },
      routes: [{ match: { path: '/own' }, pool: 'main', policy: 'least-connections' }, { pool: 'main' }],
    })
    const healths = () => gateway.backends.map((backend) => backend.health)
    expect(await eventually(() => healths().join() === 'down,up')).toBe(true)
    for (let weight = 1; weight <= 20; weight++) gateway.setWeight('127.0.0.1:1', weight)
    expect(healths()).toEqual(['down', 'up'])
    expect(gateway.pools).toMatchObject([{ policy: 'hash of header x', backends: [{ weight: 20 }, {}] }])
    await talkers(port, 4)
    expect(connectionsOf(gateway)).toEqual([0, 4])
    expect(gateway.backends[0]?.connectFailures).toBe(0)
    gateway.disable(up.address)
    expect(gateway.backends.map(({ active }) => active)).toEqual([0, 0])
  })

  test('of somebody unknown cannot be changed', async () => {
    const { gateway } = await stage.gateway()
    await expect(gateway.drain('nobody:1')).rejects.toThrow('no pool has a backend nobody:1')
    await expect(gateway.drain('127.0.0.1:1', { over: 'soon' as '1s' })).rejects.toThrow(
      'expected a duration',
    )
    expect(() => gateway.enable('nobody:1')).toThrow(RangeError)
    expect(() => gateway.disable('nobody:1')).toThrow(RangeError)
    expect(() => gateway.setWeight('nobody:1', 1)).toThrow(RangeError)
    expect(() => gateway.setWeight('127.0.0.1:1', 1, 'nowhere')).toThrow(RangeError)
    expect(() => gateway.setWeight('127.0.0.1:1', 257)).toThrow('expected a weight')
  })
})

test('a tunnel is told when it opens and when it ends', async () => {
  const { gateway, port, second } = await crowd(0)
  gateway.setWeight(second.address, 0)
  const [opened, closed] = [told(gateway, 'tunnel.opened'), told(gateway, 'tunnel.closed')]
  const [client] = await talkers(port, 1)
  await client?.ask('hello')
  client?.socket.close(1000)
  expect(await eventually(() => closed.length === 1)).toBe(true)
  expect(opened).toMatchObject([{ client: '127.0.0.1', path: '/', backend: gateway.backends[0]?.address }])
  expect(closed).toMatchObject([{ endedBy: 'client', closeCode: 1000, messagesFromClient: 1 }])
  expect(closed[0]?.requestId).toBe(opened[0]?.requestId as string)
})
