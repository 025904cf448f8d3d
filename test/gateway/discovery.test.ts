import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { DnsServer } from '../../src/drivers/dns/contract/dns-server.ts'
import { StaticSource } from '../../src/drivers/static/static-source.ts'
import type { DiscoveredBackend } from '../../src/gateway/discovery.ts'
import type { GatewayOptions } from '../../src/gateway/options.ts'
import { EchoServer } from './support/echo-server.ts'
import { eventually } from './support/eventually.ts'
import { answering } from './support/raw-backend.ts'
import { Stage, type StageOptions } from './support/stage.ts'
import { Talker } from './support/talker.ts'

const stage = new Stage()
afterEach(() => stage.close())

type PoolOptions = GatewayOptions['pools'][string]

const at = (...addresses: string[]): DiscoveredBackend[] =>
  addresses.map((address) => ({ address, weight: 1 }))

/** A gateway whose one pool is found by a source that the test holds. */
async function discovering(
  first: readonly DiscoveredBackend[] | null,
  pool: Partial<PoolOptions> = {},
  more: StageOptions = {},
) {
  const source = new StaticSource(first)
  const options: StageOptions = {
    pools: { main: { policy: 'round-robin', discover: { source: 'mine' }, ...pool } as PoolOptions },
    sources: { mine: () => source },
    ...more,
  }
  return { source, options, ...(await stage.gateway(options)) }
}

async function ask(port: number): Promise<{ status: number; body: string }> {
  const client = await stage.client(port)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const { start, body } = await client.message()
  client.close()
  return { status: Number(start.split(' ')[1]), body }
}

const named = (name: string) => stage.raw(answering(name))

async function echo(): Promise<EchoServer> {
  const server = await new EchoServer().listen()
  stage.add(() => server.close())
  return server
}

describe('a pool that discovers its backends', () => {
  const policies: PoolOptions['policy'][] = [
    'auto',
    'round-robin',
    'least-connections',
    'power-of-two',
    'random',
    'peak-ewma',
    'source-ip-hash',
    { sticky: { secret: 'a secret of some length' } },
  ]
  test.each(policies)(
    'answers 503 while there is nobody, and serves once there is somebody (%j)',
    async (policy) => {
      const one = await named('one')
      const { source, gateway, port } = await discovering([], { policy })
      expect((await ask(port)).status).toBe(503)
      source.replace(at(one.address))
      expect(await eventually(() => gateway.backends.length === 1)).toBe(true)
      expect(await ask(port)).toEqual({ status: 200, body: 'one' })
      source.replace([])
      expect(await eventually(() => gateway.backends.length === 0)).toBe(true)
      expect((await ask(port)).status).toBe(503)
    },
  )

  test('has those of the start from the first request on, beside those that are named', async () => {
    const [one, two] = [await named('one'), await named('two')]
    const { gateway, port } = await discovering([...at(two.address), { address: one.address, weight: 9 }], {
      backends: [one.address],
    })
    // What the configuration says of an address goes before what was found.
    expect(gateway.backends.map(({ address, weight }) => [address, weight])).toEqual([
      [one.address, 1],
      [two.address, 1],
    ])
    expect([(await ask(port)).body, (await ask(port)).body].sort()).toEqual(['one', 'two'])
  })

  test('keeps its tunnels, drains those of who left, and takes back who returns with its counts', async () => {
    const [one, two] = [await echo(), await echo()]
    const { source, gateway, port } = await discovering(at(one.address), {}, { timeouts: { drain: '2s' } })
    const talkers = await Promise.all(Array.from({ length: 10 }, () => new Talker(port).opened))
    source.replace(at(two.address))
    expect(await eventually(() => gateway.backends[0]?.address === two.address)).toBe(true)
    expect((await Promise.race(talkers.map(({ closed }) => closed))).code).toBe(1012)
    source.replace(at(two.address, one.address))
    expect(await eventually(() => gateway.backends.length === 2)).toBe(true)
    const left = talkers.filter(({ socket }) => socket.readyState === socket.OPEN)
    expect(left.length).toBeGreaterThan(0)
    for (const talker of left) expect((await talker.ask('there')).data.toString()).toBe('there')
    const status = gateway.backends.find(({ address }) => address === one.address)
    expect(status?.connections).toBe(left.length)
  })

  test('keeps what was found while it cannot be found out, and says so once', async () => {
    const one = await named('one')
    const { source, port, log, gateway } = await discovering(at(one.address))
    for (let time = 0; time < 3; time++) source.fail('the registry is gone')
    expect(await log.line('discovery.failed')).toMatchObject({
      level: 'warn',
      source: 'mine',
      reason: 'the registry is gone',
      kept: 1,
    })
    expect((await ask(port)).body).toBe('one')
    source.replace([{ address: 'not an address', weight: 1 }])
    expect(await log.line('discovery.failed', 1)).toMatchObject({
      reason: expect.stringContaining('not an address'),
    })
    expect(gateway.backends).toHaveLength(1)
    source.replace(at(one.address))
    expect(await log.line('discovery.recovered')).toMatchObject({ level: 'info', source: 'mine' })
  })

  test('leaves alone what was said by call, and what a list has in another order', async () => {
    const [a, b] = ['127.0.0.1:1', '127.0.0.1:2'] as const
    const { source, gateway, log } = await discovering(at(a, b))
    gateway.disable(a)
    gateway.setWeight(b, 7)
    source.replace(at(b, a))
    source.replace(at(b, a, '127.0.0.1:3'))
    expect(await log.line('discovery.changed', 1)).toMatchObject({ backends: 3, before: 2 })
    expect(await eventually(() => gateway.backends.length === 3)).toBe(true)
    expect(gateway.backends.map(({ state, weight }) => [state, weight])).toEqual([
      ['disabled', 1],
      ['active', 7],
      ['active', 1],
    ])
  })

  test('keeps its source through reloads that leave its discovery as it is, and stops it with the last pool', async () => {
    const { source, gateway, options } = await discovering(at('127.0.0.1:1'))
    let stops = 0
    const stop = source.stop.bind(source)
    source.stop = () => {
      stops++
      stop()
    }
    const pool = options.pools?.main as PoolOptions
    const listen = [{ port: 0, host: '127.0.0.1' }]
    await gateway.reload({ listen, pools: { renamed: pool, other: pool }, routes: [{ pool: 'renamed' }] })
    expect(gateway.backends.map(({ pool: name }) => name)).toEqual(['renamed', 'other'])
    source.replace(at('127.0.0.1:1', '127.0.0.1:2'))
    expect(await eventually(() => gateway.backends.length === 4)).toBe(true)
    expect(stops).toBe(0)
    await gateway.reload({
      listen,
      pools: { main: { backends: ['127.0.0.1:3'] } },
      routes: [{ pool: 'main' }],
    })
    expect([stops, gateway.backends.length]).toEqual([1, 1])
  })

  test('and asks elsewhere after a reload keeps what was found before until that one answers', async () => {
    const [one, two] = [await echo(), await echo()]
    const other = new StaticSource()
    const mine = new StaticSource(at(one.address))
    const asking = (source: string): StageOptions => ({
      listen: [{ port: 0, host: '127.0.0.1' }],
      pools: { main: { discover: { source } }, beside: { discover: { source: 'other' } } },
      routes: [{ pool: 'main' }],
      timeouts: { drain: '50ms' },
    })
    const sources = { mine: () => mine, other: () => other }
    const { gateway, port } = await stage.gateway({ ...asking('mine'), sources })
    const talker = await new Talker(port).opened
    await gateway.reload(asking('other') as GatewayOptions)
    expect(gateway.backends.map(({ pool, address }) => [pool, address])).toEqual([['main', one.address]])
    // Also through another reload while it still says nothing.
    await gateway.reload({ ...(asking('other') as GatewayOptions), timeouts: { drain: '60ms' } })
    await new Talker(port).opened
    expect((await talker.ask('there')).data.toString()).toBe('there')
    other.replace(at(two.address))
    expect(await eventually(() => gateway.backends[0]?.address === two.address)).toBe(true)
    expect((await talker.closed).code).toBe(1012)
  })

  test('that asks for a source which is not there is a mistake that changes nothing', async () => {
    const { gateway } = await stage.gateway()
    const main = { discover: { source: 'yours' } }
    const reload = gateway.reload({
      listen: [{ port: 0, host: '127.0.0.1' }],
      pools: { main },
      routes: [{ pool: 'main' }],
    })
    await expect(reload).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('pools.main.discover: found the source "yours"'),
    })
    expect(gateway.backends).toHaveLength(1)
  })

  test('does not keep a gateway from starting for long when its source says nothing', async () => {
    const silent = { start() {}, stop() {} }
    const pools = { main: { discover: { source: 'silent' } } }
    const { port } = await stage.gateway({ pools, sources: { silent: () => silent } })
    expect((await ask(port)).status).toBe(503)
  }, 10_000)
})

test.each([
  ['texts', ['127.0.0.1:80'], 'found "127.0.0.1:80" without an address in a list'],
  ['nothing in a list', [null], 'found nothing without an address'],
  [
    'numbers for addresses',
    [{ address: 5, weight: 1 }],
    'found a value of the type object without an address',
  ],
  ['no weight', [{ address: '127.0.0.1:80' }], 'found the weight undefined of 127.0.0.1:80'],
  ['no list', 7, 'found a value of the type number, expected a list'],
  ['nothing', undefined, 'found nothing, expected a list'],
])('a program that says %s does not fail for it, and hears what is wrong', async (_, list, reason) => {
  const one = await named('one')
  const { source, port, log } = await discovering(at(one.address))
  source.replace(list as unknown as DiscoveredBackend[])
  expect((await log.line('discovery.failed')).reason).toContain(reason)
  expect((await ask(port)).body).toBe('one')
})

test('a file is read again when it changes, and one with mistakes changes nothing', async () => {
  const [one, two] = [await named('one'), await named('two')]
  const file = join(await stage.folder(), 'backends.yaml')
  await writeFile(file, `- ${one.address}\n`)
  const { gateway, port, log } = await stage.gateway({ pools: { main: { discover: { file } } } })
  expect((await ask(port)).body).toBe('one')
  await writeFile(file, `- ${two.address}\n- address: nowhere\n  weight: 300\n`)
  const { reason } = await log.line('discovery.failed')
  expect(reason).toContain(`${file}:3:11: [1].weight: found 300, expected`)
  expect((await ask(port)).body).toBe('one')
  await writeFile(file, `- { address: '${two.address}', weight: 2 }\n`)
  expect(await eventually(() => gateway.backends[0]?.address === two.address)).toBe(true)
  expect((await ask(port)).body).toBe('two')
  await writeFile(file, '')
  expect((await log.line('discovery.failed', 1)).reason).toContain(file)
  expect((await ask(port)).body).toBe('two')
  await writeFile(file, '[]')
  expect(await eventually(() => gateway.backends.length === 0)).toBe(true)
  expect((await ask(port)).status).toBe(503)
})

test('a name is asked again as its TTL says, and one that vanishes changes nothing', async () => {
  const one = await named('one')
  const dns = await new DnsServer().listen()
  stage.add(() => dns.close())
  const address = (data: string) => ({ type: 'A', ttl: 0, data }) as const
  dns.zone.set('chat.internal', [address('127.0.0.1')])
  const discover = {
    dns: `chat.internal:${one.port}`,
    resolver: [dns.address],
    interval: { min: '50ms' as const, max: '200ms' as const },
  }
  const { gateway, port, log } = await stage.gateway({ pools: { main: { discover } } })
  expect((await ask(port)).body).toBe('one')
  dns.zone.set('chat.internal', [address('127.0.0.1'), address('127.0.0.2')])
  expect(await eventually(() => gateway.backends.length === 2)).toBe(true)
  dns.zone.clear()
  expect((await log.line('discovery.failed')).reason).toBe('chat.internal: there is no such name')
  expect(gateway.backends.map((backend) => backend.address)).toEqual([one.address, `127.0.0.2:${one.port}`])
})
