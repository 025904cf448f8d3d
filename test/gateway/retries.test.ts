import { afterEach, describe, expect, test } from 'vitest'
import type { GatewayOptions } from '../../src/gateway/options.ts'
import { eventually } from './support/eventually.ts'
import { clientFrame, frame, opcodes } from './support/frames.ts'
import { acceptUpgrade, switching, upgradeRequest } from './support/handshakes.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

type Part = (wire: Wire) => unknown
type PoolOptions = Omit<GatewayOptions['pools'][string], 'backends'>

/** A gateway before backends that play their parts in the order in which they are asked, whichever comes first. */
async function cast(parts: readonly Part[], pool: PoolOptions = {}, options: Partial<GatewayOptions> = {}) {
  let asked = 0
  // The last part is played by all who come later.
  const backends = await Promise.all(
    parts.map(() => stage.raw((wire) => (parts[asked++] ?? parts.at(-1))?.(wire))),
  )
  const addresses = backends.map(({ address }) => address)
  const running = await stage.gateway({ pools: { main: { backends: addresses, ...pool } }, ...options })
  const client = await stage.client(running.port)
  return { ...running, client, backends, asked: () => asked }
}

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'

const closes: Part = async (wire) => {
  await wire.message('request')
  wire.end()
}
const resets: Part = async (wire) => {
  await wire.message('request')
  wire.reset()
}
const says =
  (text: string): Part =>
  async (wire) => {
    await wire.message('request')
    wire.send(text)
  }
const halfAHead: Part = async (wire) => {
  await wire.message('request')
  wire.send('HTTP/1.1 200 OK\r\nContent-Le')
  wire.reset()
}
const accepts: Part = (wire) => acceptUpgrade(wire)
const silent: Part = () => {}
const wrongKey = says(switching({ 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }))
const malformed = says('HTTP/1.1 2x0 What\r\n\r\n')

describe('an upgrade is tried with another backend when the first one', () => {
  test.each([
    ['closes before it answers', closes, 'BACKEND_CLOSED'],
    ['resets before it answers', resets, 'BACKEND_CLOSED'],
    ['breaks off within its answer', halfAHead, 'BACKEND_CLOSED'],
    ['answers 101 with a wrong accept key', wrongKey, 'BACKEND_UPGRADE_INVALID'],
    ['answers nonsense', malformed, 'BACKEND_RESPONSE_INVALID'],
    ['does not answer (envoy#41068)', silent, 'BACKEND_RESPONSE_TIMEOUT'],
  ])('%s', async (_, bad, code) => {
    const timeouts = { upgrade: '300ms' } as const
    const { client, asked, backends, gateway, log } = await cast([bad, accepts], {}, { timeouts })
    expect((await client.send(upgradeRequest()).message()).status).toBe(101)
    expect(asked()).toBe(2)
    const [first, second] = log.of('request.retried').flatMap(({ backend, next }) => [backend, next])
    expect(new Set([first, second])).toEqual(new Set(backends.map(({ address }) => address)))
    expect(log.of('request.retried')).toMatchObject([{ code, level: 'warn' }])
    expect(log.of('tunnel.opened')).toMatchObject([{ attempts: 2, backend: second }])
    expect(gateway.pools).toMatchObject([{ retries: 1, retriesDenied: 0 }])
    expect(gateway.backends.map(({ active }) => active)).toEqual([0, 0])
    expect(gateway.backends.map(({ connections }) => connections).sort()).toEqual([0, 1])
  })

  test('and what the client sent early reaches the second one, once', async () => {
    let told: Buffer | null = null
    const early = clientFrame(opcodes.text, 'early')
    const { client } = await cast([
      resets,
      async (wire) => {
        await acceptUpgrade(wire)
        told = await wire.bytes(early.length)
        wire.send(frame(opcodes.text, 'heard'))
      },
    ])
    client.send(Buffer.concat([Buffer.from(upgradeRequest()), early]))
    expect((await client.message()).status).toBe(101)
    expect((await client.bytes(7)).toString('latin1', 2)).toBe('heard')
    expect(told).toEqual(early)
  })
})

describe('an upgrade stays with a backend that gave a proper answer', () => {
  test.each([200, 403, 426, 503])('of %i', async (status) => {
    const answer = says(`HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`)
    const { client, asked, log } = await cast([answer, accepts])
    expect(await client.send(upgradeRequest()).message()).toMatchObject({ status, body: 'no' })
    expect(asked()).toBe(1)
    expect(await log.line('request.completed')).toMatchObject({ attempts: 1, status })
  })
})

describe('a request is tried with another backend', () => {
  test.each([
    ['a GET after a close', get, closes],
    ['a GET after a reset', get, resets],
    ['a GET after half a head', get, halfAHead],
    ['a GET after nonsense', get, malformed],
    ['a GET after a 101 that nobody asked for', get, says(switching())],
    ['a PUT without body', 'PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n', closes],
    ['a HEAD', 'HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n', resets],
  ])('%s', async (_, request, bad) => {
    const { client, asked, gateway, log } = await cast([bad, answering('ok')])
    client.send(request)
    const kind = request.startsWith('HEAD') ? 'response to HEAD' : 'response'
    expect((await client.message(kind)).status).toBe(200)
    expect(asked()).toBe(2)
    expect(await log.line('request.completed')).toMatchObject({ attempts: 2, status: 200 })
    expect(gateway.pools).toMatchObject([{ retries: 1 }])
    expect(gateway.backends.map(({ active }) => active)).toEqual([0, 0])
  })

  test('over a kept connection, if there is one to the other', async () => {
    const keeps = answering('ok')
    // Round robin goes to the second one with the first request or with the second.
    const { client, asked, backends, gateway } = await cast([keeps, keeps, (wire) => wire.reset()], {
      policy: 'round-robin',
    })
    for (let i = 0; i < 2; i++) await client.send(get).message()
    const [third] = backends.filter(({ connections }) => connections.length === 0)
    for (let i = 0; i < 3; i++) expect((await client.send(get).message()).body).toBe('ok')
    const retries = gateway.pools[0]?.retries as number
    expect(retries).toBeGreaterThan(0)
    expect(third?.connections.length).toBe(retries)
    expect(asked()).toBe(2 + retries)
  })
})

describe('a request is not repeated', () => {
  const post = (method: string) => `${method} /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi`
  test.each([
    ['when it is a POST', post('POST'), 'BACKEND_CLOSED'],
    [
      'when it is a POST without body',
      'POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n',
      'BACKEND_CLOSED',
    ],
    ['when it is a PATCH', post('PATCH'), 'BACKEND_CLOSED'],
    ['when it is a GET with a body', post('GET'), 'BACKEND_CLOSED'],
  ])('%s', async (_, request, code) => {
    const { client, asked, log, gateway } = await cast([resets, answering('ok')])
    expect((await client.send(request).message()).status).toBe(502)
    expect(asked()).toBe(1)
    expect(await log.line('request.completed')).toMatchObject({ attempts: 1, code })
    expect(gateway.pools).toMatchObject([{ retries: 0, retriesDenied: 0 }])
  })

  test('after half of its answer: the client is cut', async () => {
    const half = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'
    const halfAnswer: Part = async (wire) => {
      await wire.message('request')
      wire.send(half)
      wire.end()
    }
    const { client, asked } = await cast([halfAnswer, answering('ok')])
    const { text, ending } = await client.send(get).rest()
    expect([half.endsWith(text.slice(-4)) || text === '', text.includes('ok'), ending]).toEqual([
      true,
      false,
      'reset',
    ])
    expect(asked()).toBe(1)
  })

  test('after an interim answer that the client has seen', async () => {
    const hints: Part = async (wire) => {
      await wire.message('request')
      wire.send('HTTP/1.1 103 Early Hints\r\n\r\n')
      wire.end()
    }
    const { client, asked } = await cast([hints, answering('ok')])
    client.send(get)
    expect((await client.message()).status).toBe(103)
    expect((await client.message()).status).toBe(502)
    expect(asked()).toBe(1)
  })
})

describe('retries end', () => {
  test('after two other backends, and the client is told of the last failure', async () => {
    const { client, asked, log } = await cast([resets, closes, malformed, accepts])
    const answer = await client.send(upgradeRequest()).message()
    expect([answer.status, answer.body.includes('BACKEND_RESPONSE_INVALID')]).toEqual([502, true])
    expect(asked()).toBe(3)
    expect(await log.line('request.completed')).toMatchObject({ attempts: 3 })
  })

  test('when no other backend is left', async () => {
    const { client, asked } = await cast([wrongKey, resets])
    const answer = await client.send(upgradeRequest()).message()
    expect([answer.status, answer.body.includes('BACKEND_CLOSED')]).toEqual([502, true])
    expect(asked()).toBe(2)
  })

  test('before they begin, where they are turned off', async () => {
    const { client, asked } = await cast([resets, accepts], { retries: { attempts: 0 } })
    expect((await client.send(upgradeRequest()).message()).status).toBe(502)
    expect(asked()).toBe(1)
  })

  test('when their time is over, however an attempt fails', async () => {
    const { client, asked, gateway } = await cast(
      [silent, accepts],
      { retries: { total: '200ms' } },
      { timeouts: { upgrade: '400ms' } },
    )
    const answer = await client.send(upgradeRequest()).message()
    expect([answer.status, answer.body.includes('BACKEND_RESPONSE_TIMEOUT')]).toEqual([504, true])
    expect([asked(), gateway.pools[0]?.retriesDenied]).toEqual([1, 0])
  })

  test('when their time is over also for a kept connection, which is then no race any more', async () => {
    const dies: Part = async (wire) => {
      await wire.message('request')
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      await wire.message('request')
      await new Promise((resolve) => setTimeout(resolve, 250))
      wire.end()
    }
    const { client, asked } = await cast([dies], { retries: { total: '100ms' } })
    expect((await client.send(get).message()).body).toBe('ok')
    const answer = await client.send(get).message()
    expect([answer.status, answer.body.includes('BACKEND_CLOSED')]).toEqual([502, true])
    expect(asked()).toBe(1)
  })

  test('when the client leaves', async () => {
    let left: Promise<string> | null = null
    const waits: Part = (wire) => {
      left = wire.ending()
    }
    const { client, asked, log, gateway } = await cast([resets, waits])
    client.send(upgradeRequest())
    expect(await eventually(() => asked() === 2)).toBe(true)
    client.reset()
    expect(await log.line('request.completed')).toMatchObject({ code: 'CLIENT_GONE', attempts: 2 })
    expect(await left).toBe('reset')
    expect(gateway.backends.map(({ active }) => active)).toEqual([0, 0])
  })
})

describe('the budget', () => {
  const tight = { budget: 20, minPerSecond: 0 }
  const never = { failures: 0 }

  test('bounds what a dead pool is asked: a fifth more, and not three times as much (envoy#9961)', async () => {
    const { client, gateway, asked } = await cast([resets, resets, resets], {
      retries: tight,
      ejection: never,
    })
    for (let i = 0; i < 100; i++) {
      expect((await client.send(upgradeRequest()).message()).status).toBe(502)
    }
    const { retries, retriesDenied } = gateway.pools[0] ?? {}
    expect(retries).toBeLessThanOrEqual(20)
    expect(retries).toBeGreaterThan(10)
    expect(asked()).toBe(100 + (retries as number))
    expect(retriesDenied).toBeGreaterThanOrEqual(80)
  })

  test('counts connects that are refused', async () => {
    const { port, gateway } = await stage.gateway({
      pools: {
        main: {
          backends: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'],
          retries: tight,
          ejection: never,
        },
      },
    })
    const client = await stage.client(port)
    for (let i = 0; i < 100; i++) expect((await client.send(get).message()).status).toBe(502)
    const connects = gateway.backends.reduce((sum, { connectFailures }) => sum + connectFailures, 0)
    expect(connects).toBe(100 + (gateway.pools[0]?.retries as number))
    expect(connects).toBeLessThanOrEqual(120)
    expect(connects).toBeGreaterThan(110)
  })

  test('counts an upgrade that it denies another backend once', async () => {
    const { port, gateway } = await stage.gateway({
      pools: {
        main: {
          backends: ['127.0.0.1:1', '127.0.0.1:2'],
          retries: { budget: 0, minPerSecond: 0 },
          ejection: never,
        },
      },
    })
    const client = await stage.client(port)
    for (let i = 0; i < 5; i++) expect((await client.send(upgradeRequest()).message()).status).toBe(502)
    expect(gateway.pools).toMatchObject([{ retries: 0, retriesDenied: 5 }])
  })

  test('belongs to the pool: it survives a change of weights, and counts what all its routes do', async () => {
    const { port, gateway } = await stage.gateway({
      pools: {
        main: {
          backends: ['127.0.0.1:1', '127.0.0.1:2'],
          retries: { budget: 0, minPerSecond: 1 },
          ejection: never,
        },
      },
      routes: [{ match: { path: '/own' }, pool: 'main', policy: 'least-connections' }, { pool: 'main' }],
    })
    const client = await stage.client(port)
    for (let i = 0; i < 8; i++) await client.send(get.replace('/x', i % 2 ? '/own' : '/x')).message()
    gateway.setWeight('127.0.0.1:1', 2)
    for (let i = 0; i < 8; i++) await client.send(get.replace('/x', i % 2 ? '/own' : '/x')).message()
    expect(gateway.pools).toMatchObject([{ retries: 10, retriesDenied: 6 }])
  })
})

test('every failed attempt counts in the health of its own backend', async () => {
  const good = await stage.raw(async (wire) => {
    await acceptUpgrade(wire)
  })
  const bad = await stage.raw(resets)
  const { port, gateway } = await stage.gateway({
    pools: {
      main: { policy: 'round-robin', backends: [bad.address, good.address], ejection: { failures: 3 } },
    },
  })
  for (let i = 0; i < 12; i++) {
    const client = await stage.client(port)
    expect((await client.send(upgradeRequest()).message()).status).toBe(101)
  }
  expect(bad.connections.length).toBe(3)
  expect(gateway.backends[0]?.ejectedUntil).not.toBeNull()
  expect(gateway.backends[1]?.ejectedUntil).toBeNull()
})
