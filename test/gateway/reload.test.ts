import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { FairleadError } from '../../src/core/errors.ts'
import type { GatewayEvents } from '../../src/gateway/events.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import type { GatewayOptions } from '../../src/gateway/options.ts'
import { EchoServer } from './support/echo-server.ts'
import { eventually } from './support/eventually.ts'
import { acceptUpgrade, joinTunnel, rawTunnel, upgradeRequest } from './support/handshakes.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import { Talker } from './support/talker.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const local = { port: 0, host: '127.0.0.1' }

/** The options of a gateway with one pool `main`, changed. */
function options(backends: readonly string[], more: Partial<GatewayOptions> = {}): GatewayOptions {
  return {
    listen: [local],
    pools: { main: { policy: 'round-robin', backends: [...backends] } },
    routes: [{ pool: 'main' }],
    ...more,
  }
}

async function echo(): Promise<EchoServer> {
  const server = await new EchoServer().listen()
  stage.add(() => server.close())
  return server
}

async function named(name: string) {
  return stage.raw(answering(name))
}

function told<Name extends keyof GatewayEvents>(gateway: Gateway, event: Name): GatewayEvents[Name][] {
  const seen: GatewayEvents[Name][] = []
  gateway.on(event, (payload) => seen.push(payload))
  return seen
}

const request = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`

async function ask(port: number, path = '/'): Promise<string> {
  const client = await stage.client(port)
  client.send(request(path))
  const { body } = await client.message()
  client.close()
  return body
}

async function refusal(reload: Promise<unknown>): Promise<FairleadError> {
  return reload.then(
    () => {
      throw new Error('it was not refused')
    },
    (error: FairleadError) => error,
  )
}

const nothing = { added: [], removed: [], changed: [] }

describe('a reload', () => {
  test('puts other options in force and says what changed', async () => {
    const [one, two] = [await named('one'), await named('two')]
    const { gateway, port, log } = await stage.gateway(options([one.address]))
    const events = told(gateway, 'reload')
    const summary = await gateway.reload({
      ...options([two.address]),
      pools: { main: { backends: [two.address] }, api: { backends: [one.address] } },
      routes: [{ match: { path: '/api' }, pool: 'api' }, { pool: 'main' }],
      timeouts: { connect: '1s' },
    })
    expect(summary).toEqual({
      changed: true,
      listeners: nothing,
      pools: { added: ['api'], removed: [], changed: ['main'] },
      backends: { added: [two.address], removed: [], changed: [one.address] },
      routes: { added: ['*/api'], removed: [], changed: ['*/'] },
      settings: ['timeouts'],
    })
    expect(events).toEqual([summary])
    expect(await log.line('gateway.reloaded')).toMatchObject({ level: 'info', changed: true })
    expect([await ask(port), await ask(port, '/api')]).toEqual(['two', 'one'])
  })

  test('of options that say the same touches nothing, and says so (envoyproxy/gateway#8889)', async () => {
    const { gateway, client, server, backend } = await rawTunnel(stage)
    const before = { listeners: gateway.listeners, backends: gateway.backends }
    const events = told(gateway, 'reload')
    // Every default written out, and the shorthand of the address the long way.
    const summary = await gateway.reload({
      routes: [{ pool: 'main' }],
      pools: { main: { policy: 'auto', backends: [{ address: backend.address, weight: 1 }] } },
      listen: [{ host: '127.0.0.1', port: 0 }],
      timeouts: { connect: '3000ms' },
    })
    expect(summary).toEqual({
      changed: false,
      listeners: nothing,
      pools: nothing,
      backends: nothing,
      routes: nothing,
      settings: [],
    })
    expect(events).toEqual([summary])
    expect({ listeners: gateway.listeners, backends: gateway.backends }).toEqual(before)
    client.send(Uint8Array.of(0x81, 0x80, 0, 0, 0, 0))
    expect(await server.bytes(6)).toEqual(Buffer.of(0x81, 0x80, 0, 0, 0, 0))
  })

  test('with mistakes changes nothing and names all of them', async () => {
    const one = await named('one')
    const { gateway, port, log } = await stage.gateway(options([one.address]))
    const failures = told(gateway, 'reloadFailed')
    const error = await refusal(
      gateway.reload({
        listen: [{ port: 70_000 }],
        pools: { main: { backends: ['nowhere'] } },
        routes: [{ pool: 'mian' }],
      }),
    )
    expect(error.code).toBe('CONFIG_INVALID')
    for (const field of ['listen[0]', 'pools.main.backends[0]', 'routes[0].pool']) {
      expect(error.message).toContain(field)
    }
    expect(failures).toEqual([{ code: 'CONFIG_INVALID', message: error.message }])
    expect(await log.line('gateway.reload_failed')).toMatchObject({ level: 'error', code: 'CONFIG_INVALID' })
    expect(await ask(port)).toBe('one')
  })

  test('is refused from the start of a drain on', async () => {
    const { gateway } = await stage.gateway()
    await gateway.drain(10)
    const failures = [await refusal(gateway.reload(options(['127.0.0.1:2'])))]
    await gateway.close()
    failures.push(await refusal(gateway.reload(options(['127.0.0.1:2']))))
    expect(failures.map(({ code }) => code)).toEqual(['GATEWAY_STOPPING', 'GATEWAY_STOPPING'])
  })

  test('waits for the one before it: the last that was asked for counts', async () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const servers = await Promise.all(names.map(named))
    const { gateway, port } = await stage.gateway(options(['127.0.0.1:1']))
    const summaries = await Promise.all(servers.map(({ address }) => gateway.reload(options([address]))))
    expect(summaries.map(({ backends }) => backends.removed[0])).toEqual([
      '127.0.0.1:1',
      ...servers.slice(0, 4).map(({ address }) => address),
    ])
    expect(await ask(port)).toBe('e')
  })

  test('knows the addresses of new names although a weight was set by call while they were looked up', async () => {
    const one = await named('one')
    const { gateway, port } = await stage.gateway(options([one.address]))
    const reload = gateway.reload(options([`localhost:${one.port}`]))
    let weight = 2
    const setting = setInterval(() => {
      if (gateway.backends[0]?.address === one.address) gateway.setWeight(one.address, weight++)
    }, 0)
    await reload
    clearInterval(setting)
    const client = await stage.client(port)
    client.send(request())
    expect((await client.message()).body).toBe('one')
  })

  test('of log options changes which access lines are written', async () => {
    const one = await named('one')
    const { gateway, port, log } = await stage.gateway(options([one.address], { log: { access: false } }))
    await ask(port, '/unseen')
    await gateway.reload(options([one.address]))
    await ask(port, '/seen')
    expect(await log.line('request.completed')).toMatchObject({ path: '/seen' })
  })
})

describe('listeners', () => {
  test('that are new are opened, those that are gone are closed, the others are not touched', async () => {
    const folder = await stage.folder()
    const one = await named('one')
    const { gateway, port } = await stage.gateway(options([one.address]))
    const path = join(folder, 'x.sock')
    const summary = await gateway.reload(options([one.address], { listen: [{ path }, local] }))
    expect(summary.listeners).toEqual({ ...nothing, added: [`unix:${path}`] })
    expect(gateway.listeners).toEqual([
      { address: `unix:${path}`, port: 0 },
      { address: `http://127.0.0.1:${port}`, port },
    ])
    const onSocket = await stage.client(path)
    onSocket.send(request())
    expect((await onSocket.message()).body).toBe('one')
    await gateway.reload(options([one.address], { listen: [{ path }] }))
    await expect(stage.client(port)).rejects.toThrow('ECONNREFUSED')
    // Who is connected stays.
    onSocket.send(request())
    expect((await onSocket.message()).body).toBe('one')
  })

  test('with a free port keep it, as many as there are', async () => {
    const { gateway, port } = await stage.gateway()
    await gateway.reload(options(['127.0.0.1:1'], { listen: [local, local] }))
    expect(gateway.listeners).toHaveLength(2)
    expect(gateway.listeners[0]?.port).toBe(port)
  })

  test('of which one cannot be opened leave everything as it was', async () => {
    const [one, two] = [await named('one'), await named('two')]
    const { gateway, port } = await stage.gateway(options([one.address]))
    const free = await named('free')
    const freePort = free.port
    await free.close()
    const listen = [local, { port: freePort, host: '127.0.0.1' }, { port: two.port, host: '127.0.0.1' }]
    const error = await refusal(gateway.reload(options([two.address], { listen })))
    expect(error.code).toBe('LISTEN_ADDRESS_IN_USE')
    expect(error.message).toContain(`port ${two.port}`)
    await expect(stage.client(freePort)).rejects.toThrow('ECONNREFUSED')
    expect(gateway.listeners).toHaveLength(1)
    expect(await ask(port)).toBe('one')
  })

  test('that would take a port from one that goes are told how', async () => {
    const { gateway, port } = await stage.gateway()
    const fixed = { port, host: '127.0.0.1' }
    const error = await refusal(gateway.reload(options(['127.0.0.1:1'], { listen: [fixed] })))
    expect(error.message).toContain('this gateway has it itself')
  })

  test('that go lose nobody who waits in their queue', async () => {
    const one = await named('one')
    const { gateway, port } = await stage.gateway(options([one.address], { listen: [local, local] }))
    // Connected and asked, but not accepted yet: nothing of this turn of the event loop has run.
    const clients = await Promise.all(Array.from({ length: 50 }, () => stage.client(port)))
    const reloaded = gateway.reload(options([one.address], { listen: [{ ...local, host: '::1' }] }))
    for (const client of clients) client.send(request())
    const answers = await Promise.all(clients.map((client) => client.message()))
    expect(answers.every(({ body }) => body === 'one')).toBe(true)
    await reloaded
    await expect(stage.client(port)).rejects.toThrow('ECONNREFUSED')
  })
})

describe('what a reload leaves as it is', () => {
  test('every tunnel, whatever changed beside its backend (caddy#6420, caddy#7222, caddy#5471)', async () => {
    const { gateway, backend, client, server } = await rawTunnel(stage)
    const [other] = [await named('other')]
    const edits: GatewayOptions[] = [
      options([backend.address]),
      options([backend.address, other.address]),
      options([backend.address], { timeouts: { connect: '1s', halfClosed: '1s' }, limits: { fields: 50 } }),
      options([backend.address], { log: { access: false }, trustedProxies: ['10.0.0.0/8'] }),
      options([backend.address], { listen: [local, local] }),
      options([], {
        pools: { renamed: { policy: 'least-connections', backends: [backend.address] } },
        routes: [{ pool: 'renamed', idle: '1h' }],
      }),
    ]
    for (const edit of edits) {
      expect((await gateway.reload(edit)).changed).toBe(true)
      client.send(Uint8Array.of(0x81, 0x80, 0, 0, 0, 0))
      await server.bytes(6)
      server.send(Uint8Array.of(0x81, 0))
      await client.bytes(2)
    }
    expect(gateway.backends).toMatchObject([{ pool: 'renamed', connections: 1 }])
  })

  test('the rules of a tunnel, which are those of its beginning', async () => {
    const { gateway, backend, port, client } = await rawTunnel(stage, {
      routes: [{ pool: 'main', idle: '300ms' }],
    })
    await gateway.reload(options([backend.address]))
    const later = await joinTunnel(stage, port, backend)
    // Close 1001 (RFC 6455 §5.5.1).
    expect([...(await client.bytes(4))].slice(2)).toEqual([0x03, 0xe9])
    later.client.send(Uint8Array.of(0x81, 0x80, 0, 0, 0, 0))
    await later.server.bytes(6)
    expect(later.client.pending).toBe(0)
  })

  test('pools that an edit does not concern, with what their policies remember (ingress-nginx#2461)', async () => {
    const [one, two, three] = [await named('one'), await named('two'), await named('three')]
    const pools = {
      main: { policy: 'round-robin', backends: [one, two, three].map(({ address }) => address) },
    }
    const { gateway, port } = await stage.gateway({ pools } as Partial<GatewayOptions>)
    const answers = [await ask(port), await ask(port), await ask(port)]
    const turn: string[] = []
    for (let edit = 0; edit < 6; edit++) {
      const other = { policy: 'random', backends: [`127.0.0.1:${edit + 1}`] }
      const edited = { listen: [local], pools: { ...pools, other }, routes: [{ pool: 'main' }] }
      await gateway.reload(edited as GatewayOptions)
      turn.push(await ask(port))
    }
    // A pool that is made anew begins at a random place.
    expect(turn).toEqual([...answers, ...answers])
  })

  test('counts, health and ejection of an address, through edits, new pools and new names (apisix#12217)', async () => {
    const { gateway, port, backend, client, server } = await rawTunnel(stage)
    const dead = '127.0.0.1:1'
    const bad = { ejection: { failures: 1 }, slowStart: { from: 100 } }
    const edit = (name: string, more = {}) =>
      options([], {
        pools: {
          [name]: { policy: 'least-connections', backends: [backend.address, dead], ...bad, ...more },
        },
        routes: [{ pool: name }],
      })
    await gateway.reload(edit('a'))
    // The least loaded is the dead one; its failure ejects it.
    await joinTunnel(stage, port, backend)
    const known = gateway.backends.map(({ pool, ...status }) => status)
    expect(known).toMatchObject([
      { connections: 2, requests: 2 },
      { connections: 0, connectFailures: 1, ejectedUntil: expect.any(Number) },
    ])
    for (const name of ['b', 'c']) {
      await gateway.reload(edit(name, { panic: 10 }))
      expect(gateway.backends.map(({ pool, ...status }) => status)).toEqual(known)
    }
    client.close()
    server.close()
    expect(await eventually(() => gateway.backends[0]?.connections === 1)).toBe(true)
  })

  test('what was said by call, until the configuration itself says something else', async () => {
    const [a, b, c] = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']
    const { gateway } = await stage.gateway(options([a, b, c] as string[]))
    gateway.disable(a as string)
    void gateway.drain(b as string)
    gateway.setWeight(c as string, 7)
    const said = () => gateway.backends.map(({ state, weight }) => [state, weight])
    const entries = (...backends: object[]) =>
      options([], { pools: { main: { backends } } } as unknown as Partial<GatewayOptions>)
    const [first, second, third] = [{ address: a }, { address: b }, { address: c }]
    await gateway.reload(entries(first, second, third))
    expect(said()).toEqual([
      ['disabled', 1],
      ['draining', 1],
      ['active', 7],
    ])
    await gateway.reload(
      entries({ ...first, state: 'active' }, { ...second, weight: 2 }, { ...third, weight: 3 }),
    )
    expect(said()).toEqual([
      ['active', 1],
      ['draining', 2],
      ['active', 3],
    ])
    await gateway.reload(entries(first, { ...second, state: 'disabled' }, third))
    expect(said()).toEqual([
      ['active', 1],
      ['disabled', 1],
      ['active', 1],
    ])
  })

  test('requests under way, which end as they began', async () => {
    let respond = () => {}
    const slow = await stage.raw(async (wire) => {
      await wire.message('request')
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nla')
      respond = () => wire.send('te')
    })
    const two = await named('two')
    const { gateway, port } = await stage.gateway(options([slow.address]))
    const client = await stage.client(port)
    client.send(request())
    await client.until('\r\n\r\nla')
    await gateway.reload(options([two.address]))
    respond()
    await client.until('te')
    client.send(request())
    expect((await client.message()).body).toBe('two')
  })
})

describe('a backend', () => {
  test('that leaves is drained with 1012, and one that comes back is taken back with its counts', async () => {
    const [one, two] = [await echo(), await echo()]
    const { gateway, port } = await stage.gateway(options([one.address]))
    const talkers = await Promise.all(Array.from({ length: 20 }, () => new Talker(port).opened))
    const timeouts = { drain: '2s' } as const
    await gateway.reload(options([two.address], { timeouts }))
    expect(gateway.backends.map(({ address }) => address)).toEqual([two.address])
    const closed = await Promise.race(talkers.map((talker) => talker.closed))
    expect(closed).toEqual({ code: 1012, reason: 'service restart' })
    await gateway.reload(options([two.address, one.address], { timeouts }))
    const left = talkers.filter(({ socket }) => socket.readyState === socket.OPEN)
    expect(left.length).toBeGreaterThan(5)
    const count = () => gateway.backends[1]?.connections
    expect(await eventually(() => count() === left.length)).toBe(true)
    // Past the end of the window they are all still there.
    await new Promise((resolve) => setTimeout(resolve, 2200))
    for (const talker of left) expect((await talker.ask('there'))?.data.toString()).toBe('there')
    expect(count()).toBe(left.length)
  })

  test('that leaves loses its idle connections, and nobody is sent there again', async () => {
    const [one, two] = [await named('one'), await named('two')]
    const { gateway, port } = await stage.gateway(options([one.address]))
    await ask(port)
    await gateway.reload(options([two.address]))
    expect(await (await one.connection(0)).ending()).toBe('fin')
    expect(await ask(port)).toBe('two')
    expect(one.connections).toHaveLength(1)
  })

  test('that leaves while an upgrade tries another one is not what it tries next', async () => {
    let first = true
    let reload = (_stays: number): Promise<unknown> => Promise.resolve()
    const script = (index: number) => async (wire: Wire) => {
      if (!first) return acceptUpgrade(wire)
      first = false
      await wire.message('request')
      await reload(index)
      return wire.close()
    }
    const backends = [await stage.raw(script(0)), await stage.raw(script(1))]
    const addresses = backends.map(({ address }) => address)
    const { gateway, port } = await stage.gateway(options(addresses))
    reload = (stays) => gateway.reload(options([addresses[stays] as string]))
    const client = await stage.client(port)
    client.send(upgradeRequest())
    expect((await client.message()).start).toBe('HTTP/1.1 502 Bad Gateway')
    expect(backends.map(({ connections }) => connections.length).sort()).toEqual([0, 1])
  })

  test('that joins begins with a part of its share, unlike those of the start', async () => {
    const [one, two] = [await named('one'), await named('two')]
    const { gateway, port } = await stage.gateway(options([one.address]))
    await gateway.reload(options([one.address, two.address]))
    const answers: string[] = []
    for (let index = 0; index < 40; index++) answers.push(await ask(port))
    // 10 % of an equal share are 2 of 40 on average; 20 would be an equal one.
    expect(answers.filter((name) => name === 'two').length).toBeLessThan(15)
  })

  test('that the configuration drains or disables gets nothing new, and is drained', async () => {
    const [one, two] = [await echo(), await echo()]
    const { gateway, port } = await stage.gateway(options([one.address]))
    const talker = await new Talker(port).opened
    const states = told(gateway, 'backend.state')
    const backends = [{ address: one.address, state: 'draining' as const }, two.address]
    await gateway.reload(options([], { pools: { main: { backends } }, timeouts: { drain: '100ms' } }))
    expect(states).toEqual([{ backend: one.address, state: 'draining', previous: 'active', by: 'config' }])
    expect((await talker.closed).code).toBe(1012)
    await new Talker(port).opened
    expect(gateway.backends.map(({ connections }) => connections)).toEqual([0, 1])
  })
})

test('believes other proxies from the next request on, also on connections that are open', async () => {
  const seen: (string | undefined)[] = []
  const backend = await stage.http((message, response) => {
    seen.push(message.headers['x-forwarded-for'] as string)
    response.end()
  })
  const { gateway, port } = await stage.gateway({ backends: [backend.address] })
  const client = await stage.client(port)
  const spoofed = 'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n'
  for (const trustedProxies of [[], ['127.0.0.1'], []]) {
    await gateway.reload(options([backend.address], { trustedProxies }))
    client.send(spoofed)
    await client.message()
  }
  expect(seen).toEqual(['127.0.0.1', '192.0.2.7, 127.0.0.1', '127.0.0.1'])
})
