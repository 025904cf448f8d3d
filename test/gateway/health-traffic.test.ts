import { afterEach, describe, expect, test } from 'vitest'
import { acceptUpgrade, joinTunnel, switching, upgradeRequest } from './support/handshakes.ts'
import { lineAbout, often, statusOf, watched } from './support/health.ts'
import { answering, type RawBackend } from './support/raw-backend.ts'
import type { Running } from './support/stage.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** Ejections that a test can wait for; five failures in a row as by default. */
const ejection = { time: '200ms', maxTime: '10s' } as const
/** Ejections that outlast the test. */
const longEjection = { time: '1m' } as const

function answer(status: number): (wire: Wire) => Promise<void> {
  return async (wire) => {
    for (;;) {
      await wire.message('request')
      wire.send(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`)
    }
  }
}

/** One request and the status of its answer. */
async function get({ port }: Running, head = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'): Promise<number> {
  const client = await stage.client(port)
  client.send(head)
  const { status } = await client.message()
  client.close()
  return status
}

function upgrade(running: Running): Promise<number> {
  return get(running, upgradeRequest())
}

const closeFrame = (code: number) => Uint8Array.of(0x88, 2, code >> 8, code & 0xff)
/** The same from a client, masked with zeroes. */
const clientClose = (code: number) => Uint8Array.of(0x88, 0x82, 0, 0, 0, 0, code >> 8, code & 0xff)

describe('five failures in a row eject a backend, and it returns by itself', () => {
  test.each([
    ['answers 503', answer(503), 'it answered with status 503'],
    [
      'accepts TCP and closes',
      (wire: Wire) => wire.message('request').then(() => wire.end()),
      'the backend closed the connection before it answered the upgrade',
    ],
    [
      'resets',
      (wire: Wire) => wire.message('request').then(() => wire.reset()),
      'the backend broke (reset) the connection before it answered the upgrade',
    ],
    ['accepts TCP but never answers', () => {}, 'the backend did not answer the upgrade in time'],
    [
      'answers 101 with a wrong accept key',
      (wire: Wire) =>
        wire.message('request').then(() => wire.send(switching({ 'Sec-WebSocket-Accept': 'x' }))),
      "the backend's 101 is not valid: Sec-WebSocket-Accept does not answer the key",
    ],
    [
      'answers byte by byte',
      async (wire: Wire) => {
        await wire.message('request')
        for (const byte of switching()) {
          await wire.flush(Buffer.from(byte))
          await new Promise((resolve) => setTimeout(resolve, 20))
          if (wire.socket.destroyed) return
        }
      },
      'the backend did not answer the upgrade in time',
    ],
  ] as [string, (wire: Wire) => unknown, string][])('one that %s', async (_, script, reason) => {
    const good = await stage.raw(answer(403))
    const bad = await stage.raw(script)
    const running = await watched(stage, [good, bad], { ejection }, { timeouts: { upgrade: '150ms' } })
    // Two at a time: half of them go to the good one.
    for (let i = 0; i < 5; i++) await Promise.all([upgrade(running), upgrade(running)])
    const line = await lineAbout(running.log, 'backend.ejected', bad)
    expect(line).toMatchObject({ level: 'warn', reason, failures: 5, forMs: 200, ejections: 1 })
    expect(running.log.of('backend.ejected')).toHaveLength(1)
    await lineAbout(running.log, 'backend.returned', bad)
    expect(statusOf(running, bad).ejectedUntil).toBeNull()
  })

  test('one that refuses connections', async () => {
    const good = await stage.raw(answering('good'))
    const gone = await stage.raw()
    const bad = { address: gone.address }
    await gone.close()
    const running = await watched(stage, [good, bad], { ejection: longEjection })
    for (let i = 0; i < 20; i++) expect(await get(running)).toBe(200)
    const line = await lineAbout(running.log, 'backend.ejected', bad)
    expect(line.reason).toMatch(/refused|connect/i)
    const status = statusOf(running, bad)
    expect(status.connectFailures).toBe(5)
    expect(status.ejectedUntil).toBeGreaterThan(Date.now())
    expect(status.health).toBe('unknown')
  })

  test('one that cuts each tunnel right after the upgrade, although every 101 was fine', async () => {
    const good = await stage.raw(answer(403))
    const bad = await stage.raw(async (wire) => {
      await acceptUpgrade(wire)
      wire.end()
    })
    const running = await watched(stage, [good, bad], { ejection })
    for (let i = 0; i < 10; i++) {
      const client = await stage.client(running.port)
      client.send(upgradeRequest())
      const { status } = await client.message()
      if (status === 101) await client.ending()
      client.end()
    }
    const line = await lineAbout(running.log, 'backend.ejected', bad)
    expect(line.reason).toBe('it cut the connection right after the upgrade, without a Close frame')
    await lineAbout(running.log, 'backend.returned', bad)
  })

  test('one that cuts tunnels at once, whatever time their clients take to leave', async () => {
    const backend = await stage.raw()
    const rules = { ejection: { ...longEjection, failures: 2, earlyClose: '200ms' } } as const
    const running = await watched(stage, [backend], rules)
    for (let i = 0; i < 2; i++) {
      const { client, server } = await joinTunnel(stage, running.port, backend)
      server.end()
      await client.ending()
      // Also once the early time is over.
      await new Promise((resolve) => setTimeout(resolve, 300))
      client.end()
      await running.log.line('tunnel.closed', i)
    }
    expect(running.log.of('backend.ejected')).toHaveLength(1)
  })

  test('who fails again after the return stays away for longer', async () => {
    const good = await stage.raw(answering('good'))
    const bad = await stage.raw(answer(500))
    const running = await watched(stage, [good, bad], { ejection, slowStart: { from: 100 } })
    for (let ejections = 0; ejections < 2; ejections++) {
      while (running.log.of('backend.ejected').length === ejections) await get(running)
      await running.log.line('backend.returned', ejections)
    }
    expect(running.log.of('backend.ejected').map(({ forMs }) => forMs)).toEqual([200, 400])
  })
})

describe('what is not the fault of a backend never ejects it', () => {
  /** Opens and ends tunnels one after another, far more than would eject. */
  async function tunnels(end: (client: Wire, server: Wire) => void): Promise<Running> {
    const backend = await stage.raw()
    // Close 1012 is to be looked at for itself: that it drains is tested in drain-backend.test.ts.
    const rules = { ejection: { failures: 3 }, drainOnRestart: false }
    const running = await watched(stage, [backend], rules)
    for (let i = 0; i < 8; i++) {
      const { client, server } = await joinTunnel(stage, running.port, backend)
      end(client, server)
      await running.log.line('tunnel.closed', i)
    }
    return running
  }

  test.each([1000, 1001, 1008, 1011, 1012, 4000])(
    'a tunnel that the backend closes at once with Close %i (envoy#24690)',
    async (code) => {
      const { log } = await tunnels((client, server) => {
        server.send(closeFrame(code))
        client.send(clientClose(code))
        server.end()
        client.end()
      })
      expect(log.of('backend.ejected')).toEqual([])
      expect(log.of('tunnel.closed')[0]).toMatchObject({ closeCode: code, endedBy: 'backend' })
    },
  )

  test('a tunnel that the client closes, ends or resets at once', async () => {
    let count = 0
    const { log } = await tunnels((client, server) => {
      if (count % 3 === 0) client.send(clientClose(1000))
      if (count++ % 3 === 1) client.reset()
      client.end()
      server.end()
    })
    expect(log.of('backend.ejected')).toEqual([])
  })

  test('a tunnel that the backend drops because the client broke the framing', async () => {
    const { log } = await tunnels((client, server) => {
      client.send(Uint8Array.of(0xff, 0xff))
      void server.ending().then(() => server.end())
      client.end()
    })
    expect(log.of('backend.ejected')).toEqual([])
  })

  test('a tunnel that the backend cuts off for what the client said', async () => {
    const { log } = await tunnels((client, server) => {
      client.send(Uint8Array.of(0x81, 0x81, 0, 0, 0, 0, 0x41))
      void server.bytes(7).then(() => server.reset())
      void client.ending().then(() => client.end())
    })
    expect(log.of('backend.ejected')).toEqual([])
    expect(log.of('tunnel.closed')[0]).toMatchObject({ endedBy: 'backend', closeCode: 1006 })
  })

  test('a request whose client leaves its body unsent, of which the backend tires', async () => {
    const backend = await stage.raw(async (wire) => {
      await wire.until('x')
      wire.end()
    })
    const running = await watched(stage, [backend], { ejection: { failures: 3 } })
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx'
    for (let i = 0; i < 8; i++) expect(await get(running, post)).toBe(502)
    expect(running.log.of('backend.ejected')).toEqual([])
  })

  test('a request whose client waits for 100 Continue, from a backend that does not know it', async () => {
    const backend = await stage.raw(() => {})
    const timeouts = { requestBodyIdle: '50ms' } as const
    const running = await watched(stage, [backend], { ejection: { failures: 3 } }, { timeouts })
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n'
    for (let i = 0; i < 8; i++) expect(await get(running, post)).toBe(504)
    expect(running.log.of('backend.ejected')).toEqual([])
  })

  test.each([400, 401, 404, 429, 501, 505])('answers with status %i', async (status) => {
    const backend = await stage.raw(answer(status))
    // Close 1012 is to be looked at for itself: that it drains is tested in drain-backend.test.ts.
    const rules = { ejection: { failures: 3 }, drainOnRestart: false }
    const running = await watched(stage, [backend], rules)
    for (let i = 0; i < 8; i++) expect(await upgrade(running)).toBe(status)
    expect(running.log.of('backend.ejected')).toEqual([])
  })

  test('clients that leave before the answer', async () => {
    const backend = await stage.raw()
    // Close 1012 is to be looked at for itself: that it drains is tested in drain-backend.test.ts.
    const rules = { ejection: { failures: 3 }, drainOnRestart: false }
    const running = await watched(stage, [backend], rules)
    for (let i = 0; i < 8; i++) {
      const client = await stage.client(running.port)
      client.send(i % 2 === 0 ? upgradeRequest() : 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      const server = await backend.connection(i)
      await server.message('request')
      client.reset()
      await server.ending()
    }
    expect(running.log.of('backend.ejected')).toEqual([])
  })

  test('failures with a success in between', async () => {
    let count = 0
    const backend = await stage.raw(async (wire) => {
      await wire.message('request')
      wire.send(
        `HTTP/1.1 ${count++ % 3 === 2 ? 200 : 500} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      )
      wire.end()
    })
    const running = await watched(stage, [backend], { ejection: { failures: 3 } })
    for (let i = 0; i < 12; i++) await get(running)
    expect(running.log.of('backend.ejected')).toEqual([])
  })

  test('anything, with ejection turned off', async () => {
    const backend = await stage.raw(answer(500))
    const running = await watched(stage, [backend], { ejection: { failures: 0 } })
    for (let i = 0; i < 12; i++) expect(await get(running)).toBe(500)
    expect(running.log.of('backend.ejected')).toEqual([])
  })
})

describe('a pool in trouble', () => {
  test('no more than half of the backends are ejected, and the rest go on getting their share', async () => {
    const backends: RawBackend[] = []
    for (let i = 0; i < 4; i++) backends.push(await stage.raw(answer(500)))
    const running = await watched(stage, backends, { ejection: longEjection })
    for (let i = 0; i < 60; i++) expect(await get(running)).toBe(500)
    expect(running.log.of('backend.ejected')).toHaveLength(2)
    expect(running.log.of('pool.panic')).toEqual([])
    const before = running.gateway.backends.map(({ requests }) => requests)
    for (let i = 0; i < 10; i++) await get(running)
    const gained = running.gateway.backends.map(({ requests }, index) => requests - (before[index] as number))
    expect(gained.sort()).toEqual([0, 0, 5, 5])
  })

  test('a single backend that fails is not taken away: with too few left, health is ignored', async () => {
    const backend = await stage.raw(answer(500))
    const running = await watched(stage, [backend], { ejection })
    for (let i = 0; i < 5; i++) await get(running)
    expect(await running.log.line('pool.panic')).toMatchObject({
      level: 'warn',
      pool: 'main',
      available: 0,
      total: 1,
      reason: 'only 0 of 1 active backends are available',
    })
    expect(await get(running)).toBe(500)
    await running.log.line('backend.returned')
    await running.log.line('pool.calm')
  })

  test('when all probes fail all backends serve, and with panic turned off none does', async () => {
    const backends = [await stage.raw(answer(404)), await stage.raw(answer(404))]
    const health = { http: { expect: { status: [200] } }, ...often }
    const running = await watched(stage, backends, { health })
    await running.log.line('pool.panic')
    expect(await get(running)).toBe(404)
    const strict = await watched(stage, backends, { health, panic: 0 })
    await strict.log.line('backend.unhealthy', 1)
    expect(await get(strict)).toBe(503)
    expect(strict.log.of('pool.panic')).toEqual([])
  })
})

describe('the tunnels of a backend that probes declare dead (cometd#1063)', () => {
  /** Eight tunnels to a backend that is up, and what makes its probes fail. */
  async function doomed(closeTunnels?: '300ms') {
    const state = { dead: false }
    const servers: Wire[] = []
    const backend = await stage.raw(async (wire) => {
      const { start } = await wire.message('request')
      if (start.includes('/healthz')) {
        wire.send(`HTTP/1.1 ${state.dead ? 500 : 200} X\r\nContent-Length: 0\r\n\r\n`)
        wire.end()
      } else {
        wire.send(switching())
        servers.push(wire)
      }
    })
    const health = { http: { path: '/healthz' }, ...often, ...(closeTunnels && { closeTunnels }) }
    const running = await watched(stage, [backend], { health })
    const clients: Wire[] = []
    for (let i = 0; i < 8; i++) {
      const client = await stage.client(running.port)
      client.send(upgradeRequest())
      await client.until('\r\n\r\n')
      clients.push(client)
    }
    return { state, servers, clients, backend, running }
  }

  test('live on by default', async () => {
    const { state, servers, clients, backend, running } = await doomed()
    state.dead = true
    await running.log.line('backend.unhealthy')
    clients[0]?.send(Uint8Array.of(0x82, 0x81, 0, 0, 0, 0, 7))
    expect((await servers[0]?.bytes(7))?.at(-1)).toBe(7)
    expect(statusOf(running, backend).connections).toBe(8)
  })

  test('get Close 1012 between two frames, spread over the time that was asked for', async () => {
    const { state, servers, clients, running } = await doomed('300ms')
    const [first] = servers as [Wire]
    first.send(Uint8Array.of(0x82, 4, 1, 2))
    await clients[0]?.bytes(4)
    state.dead = true
    const times = await Promise.all(
      clients.map(async (client, index) => {
        if (index > 0) expect([...(await client.bytes(4))].slice(2)).toEqual([0x03, 0xf4])
        return performance.now()
      }),
    )
    expect(Math.max(...times.slice(1)) - Math.min(...times.slice(1))).toBeGreaterThan(90)
    first.send(Uint8Array.of(3, 4))
    expect([...((await clients[0]?.bytes(6)) ?? [])].slice(0, 2)).toEqual([3, 4])
    for (const peer of [...clients, ...servers]) peer.reset()
    await running.log.line('tunnel.closed', 7)
    expect(running.log.of('tunnel.closed').every(({ closeCode }) => closeCode === 1012)).toBe(true)
    expect(running.log.of('backend.ejected')).toEqual([])
  })
})
