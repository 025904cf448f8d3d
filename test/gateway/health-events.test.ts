import { afterEach, describe, expect, test } from 'vitest'
import type { GatewayEvents } from '../../src/gateway/events.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { eventually } from './support/eventually.ts'
import { often, statusOf, watched } from './support/health.ts'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

const names = [
  'backend.unhealthy',
  'backend.healthy',
  'backend.ejected',
  'backend.returned',
  'pool.panic',
  'pool.calm',
] as const satisfies readonly (keyof GatewayEvents)[]

/** Everything that a gateway tells about health from now on, the name of each event first. */
function healthOf(gateway: Gateway): [string, Readonly<Record<string, unknown>>][] {
  const told: [string, Readonly<Record<string, unknown>>][] = []
  for (const name of names) gateway.on(name, (payload) => told.push([name, { ...payload }]))
  return told
}

async function status(port: number): Promise<number> {
  const client = await stage.client(port)
  const answer = await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n').message()
  client.close()
  return answer.status
}

async function fails(wire: Wire): Promise<void> {
  for (;;) {
    await wire.message('request')
    wire.send('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n')
  }
}

const probed = { health: { tcp: true, ...often } } as const
const dead = { address: '127.0.0.1:1' }

describe('what becomes of the health of a backend is an event with a reason', () => {
  test('found by probes', async () => {
    const backend = await stage.raw()
    const { gateway } = await watched(stage, [backend, dead], probed)
    const told = healthOf(gateway)
    expect(await eventually(() => told.length === 2)).toBe(true)
    expect(Object.fromEntries(told)).toEqual({
      'backend.healthy': { backend: backend.address, reason: 'its probes pass', previous: 'unknown' },
      'backend.unhealthy': { backend: dead.address, reason: expect.stringContaining('refused'), failures: 2 },
    })
    const { port, address } = backend
    await backend.close()
    expect(await eventually(() => told.length === 4)).toBe(true)
    expect(told.slice(2)).toEqual([
      ['backend.unhealthy', expect.objectContaining({ backend: address })],
      [
        'pool.panic',
        { pool: 'main', available: 0, total: 2, reason: 'only 0 of 2 active backends are available' },
      ],
    ])
    await stage.raw(undefined, '127.0.0.1', port)
    expect(await eventually(() => told.length === 6)).toBe(true)
    expect(told.slice(4)).toEqual([
      ['backend.healthy', { backend: address, reason: 'its probes pass', previous: 'down' }],
      ['pool.calm', { pool: 'main', available: 1, total: 2, reason: '1 of 2 active backends are available' }],
    ])
  })

  test('found by traffic', async () => {
    const [bad, good] = [await stage.raw(fails), await stage.raw(answering('ok'))]
    const ejection = { failures: 2, time: '200ms' } as const
    const { gateway, port } = await watched(stage, [bad, good], { ejection })
    const told = healthOf(gateway)
    for (let i = 0; i < 4; i++) await status(port)
    expect(await eventually(() => told.length === 2)).toBe(true)
    expect(told).toEqual([
      [
        'backend.ejected',
        {
          backend: bad.address,
          reason: 'it answered with status 500',
          failures: 2,
          forMs: 200,
          ejections: 1,
        },
      ],
      ['backend.returned', { backend: bad.address, reason: 'its time is over' }],
    ])
  })
})

describe('who may not serve counts neither as available nor as missing', () => {
  test('so a state alone begins and ends a panic', async () => {
    const backend = await stage.raw(answering('ok'))
    const { gateway, port, log } = await watched(stage, [backend, dead], {
      ...probed,
      retries: { attempts: 0 },
    })
    expect(await eventually(() => statusOf({ gateway } as never, dead).health === 'down')).toBe(true)
    expect(log.of('pool.panic')).toEqual([])
    const told = healthOf(gateway)
    gateway.disable(backend.address)
    expect(told).toEqual([['pool.panic', expect.objectContaining({ available: 0, total: 1 })]])
    // Rather one that looks dead than none at all.
    expect(await status(port)).toBe(502)
    gateway.enable(backend.address)
    expect(told.slice(1)).toEqual([['pool.calm', expect.objectContaining({ available: 1, total: 2 })]])
    expect(await status(port)).toBe(200)
  })

  test('so does a weight alone, and it is told once', async () => {
    const backend = await stage.raw(answering('ok'))
    const { gateway, log } = await watched(stage, [backend, dead], probed)
    expect(await eventually(() => log.of('backend.unhealthy').length === 1)).toBe(true)
    const told = healthOf(gateway)
    gateway.setWeight(backend.address, 0)
    expect(told).toEqual([['pool.panic', expect.objectContaining({ available: 0, total: 1 })]])
    expect(log.of('pool.panic')).toHaveLength(1)
    gateway.setWeight(dead.address, 7)
    expect(told).toHaveLength(1)
    gateway.setWeight(backend.address, 1)
    expect(told.slice(1)).toEqual([['pool.calm', expect.objectContaining({ available: 1, total: 2 })]])
  })

  test('so a pool of which half is disabled may eject no more than half of the rest', async () => {
    const backends = await Promise.all([0, 1, 2, 3].map(() => stage.raw(fails)))
    const { gateway, port, log } = await watched(stage, backends, { ejection: { failures: 2 } })
    for (const { address } of backends.slice(2)) gateway.disable(address)
    for (let i = 0; i < 20; i++) expect(await status(port)).toBe(500)
    expect(log.of('backend.ejected')).toHaveLength(1)
  })
})

describe('a backend that is killed and started again', () => {
  test('is back as soon as it accepts, not when its ejection would be over', async () => {
    const [other, killed] = [await stage.raw(answering('ok')), await stage.raw(answering('back'))]
    const { port: place } = killed
    const { gateway, port, log } = await watched(stage, [other, killed], {
      ejection: { failures: 2, time: '10m', maxTime: '10m' },
    })
    await killed.close()
    for (let i = 0; i < 6; i++) expect(await status(port)).toBe(200)
    expect(log.of('backend.ejected')).toHaveLength(1)
    const told = healthOf(gateway)
    const again = await stage.raw(answering('back'), '127.0.0.1', place)
    expect(await eventually(() => told.length === 1)).toBe(true)
    expect(told).toEqual([
      ['backend.returned', { backend: again.address, reason: 'it accepts connections again' }],
    ])
    expect(gateway.backends.map(({ ejectedUntil }) => ejectedUntil)).toEqual([null, null])
  })

  test('does not wait for its ejection where probes find it well', async () => {
    const [other, killed] = [await stage.raw(answering('ok')), await stage.raw(answering('back'))]
    const { port: place } = killed
    const { port, log } = await watched(stage, [other, killed], {
      health: { tcp: true, ...often, fall: 100 },
      ejection: { failures: 2, time: '10m', maxTime: '10m' },
    })
    await killed.close()
    for (let i = 0; i < 6; i++) expect(await status(port)).toBe(200)
    expect(log.of('backend.ejected')).toHaveLength(1)
    await stage.raw(answering('back'), '127.0.0.1', place)
    expect(await log.line('backend.returned')).toMatchObject({ reason: 'its probes pass' })
  })
})
