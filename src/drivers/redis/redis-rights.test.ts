import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Bench,
  BusRecorder,
  bytes,
  type ContractWay,
  eventually,
  outcome,
  patience,
} from '../../hub/contract/cluster-rig.ts'
import { launchCluster, launchServer, type RedisServer } from './contract/redis-servers.ts'
import { redis } from './redis-driver.ts'

const limits = { size: 10, age: 60_000 }
const login = { username: 'me', password: 'x' }

/** What the guide says that a user needs, for the namespace of a test. */
function documented(namespace: string, isCluster: boolean): string {
  const guide = readFileSync(new URL('../../../docs/guide/cluster.md', import.meta.url), 'utf8')
  const [, rules = '', more = ''] =
    /ACL SETUSER fairlead on >secret ([^#]*?)\n# and in a cluster: (.*)\n/.exec(guide) ?? []
  const all = isCluster ? `${rules} ${more}` : rules
  return all.replaceAll('\\', '').replaceAll('{fairlead', `{${namespace}`).replaceAll(/\s+/g, ' ')
}

async function permit(servers: readonly RedisServer[], rules: string): Promise<void> {
  for (const server of servers) {
    expect(await server.ask(`ACL SETUSER me reset on >x ${rules}`)).toBe('+OK\r\n')
  }
}

describe('one server', () => {
  let broker: Awaited<ReturnType<typeof launchServer>>
  let way: ContractWay
  beforeAll(async () => {
    broker = await launchServer()
    way = {
      driver: redis({ url: `redis://127.0.0.1:${broker.server.port}`, ...login }),
      cut() {},
      heal() {},
    }
  }, 30_000)
  afterAll(() => broker.dispose())

  test('the rights in the guide are enough for everything', async () => {
    await using bench = new Bench(broker)
    await permit([broker.server], documented(bench.namespace, false))
    await everythingWorks(bench, way)
  })

  test('a bus alone needs no scripts, and says what others would', async () => {
    await using bench = new Bench(broker)
    const names = `{${bench.namespace}*`
    await permit([broker.server], `~${names} &${names} +ping +role +publish +subscribe +unsubscribe`)
    const { bus, history, registry } = bench.cluster(way)
    const heard = new BusRecorder()
    await Promise.all([bus.start(heard, patience), history?.start(patience)])
    await bus.subscribe('a')
    await bus.publish('a', bytes('x'))
    await eventually(() => heard.messages.length === 1, 'it is heard')
    expect(await outcome(history?.append('a', bytes('x'), limits) as Promise<unknown>)).toBe(
      'CLUSTER_REFUSED',
    )
    expect(await outcome(history?.read('a', null, 1) as Promise<unknown>)).toBe('CLUSTER_REFUSED')
    expect(heard.states).toEqual([])
    expect(bench.lines.join()).toContain('Redis takes no scripts')
    await registry.close()
  })

  test('a channel that is not permitted is refused, also while it connects; the others stand', async () => {
    await using bench = new Bench(broker)
    const rules = `~* +@all resetchannels &{${bench.namespace}*c:a*`
    await permit([broker.server], rules)
    const { bus } = bench.cluster(way)
    const heard = new BusRecorder()
    const allowed = Array.from({ length: 50 }, (_, index) => `a${index}`)
    const early = [...allowed.slice(0, 25), 'secret', ...allowed.slice(25)].map((channel) =>
      outcome(bus.subscribe(channel)),
    )
    await bus.start(heard, patience)
    const outcomes = await Promise.all(early)
    expect(outcomes.filter((each) => each !== undefined)).toEqual(['CLUSTER_REFUSED'])
    expect(await outcome(bus.subscribe('secret too'))).toBe('CLUSTER_REFUSED')
    expect(await outcome(bus.publish('secret', bytes('x')))).toBe('CLUSTER_REFUSED')
    for (const channel of allowed) await bus.publish(channel, bytes(channel))
    await eventually(() => heard.messages.length === 50, 'the others are heard')
    expect(heard.states).toEqual([])
    expect(bench.lines).toEqual([
      'Redis does not permit to subscribe {"channel":"secret"}',
      'Redis does not permit to subscribe {"channel":"secret too"}',
    ])
  })

  test('one that is withdrawn is told as `down`, and the others are restored', async () => {
    await using bench = new Bench(broker)
    await permit([broker.server], '~* +@all allchannels')
    const { bus } = bench.cluster(way)
    const heard = new BusRecorder()
    await bus.start(heard, patience)
    await Promise.all([bus.subscribe('a'), bus.subscribe('b')])
    await broker.server.ask('ACL SETUSER me resetchannels &*c:a')
    await eventually(() => heard.states.join() === 'down,up', 'it is back')
    await bus.publish('a', bytes('x'))
    await eventually(() => heard.texts('a').length === 1, 'the other one stands')
    expect(bench.lines.join()).toContain('{"channel":"b"}')
  })

  test('without INFO there is no telling whether a server has lost the end of a history: it is refused', async () => {
    await using bench = new Bench(broker)
    await permit([broker.server], '~* +@all allchannels -info')
    const { history } = bench.cluster(way)
    await history?.start(patience)
    const failed = await history?.append('a', bytes('x'), limits).catch((error: Error) => error)
    expect(String(failed)).toContain('INFO')
    expect(await outcome(history?.read('a', null, 1) as Promise<unknown>)).toBe('CLUSTER_REFUSED')
  })

  test('a user who may not ask anything but to subscribe stays connected', async () => {
    await using bench = new Bench(broker)
    await permit([broker.server], '+subscribe allchannels')
    const { bus } = bench.cluster(way)
    const heard = new BusRecorder()
    await bus.start(heard, patience)
    await bus.subscribe('a')
    await new Promise((resolve) => setTimeout(resolve, 5_500))
    expect(heard.states).toEqual([])
  })
})

test('in a cluster the rights in the guide are enough, too', async () => {
  const broker = await launchCluster()
  try {
    await using bench = new Bench(broker)
    await permit(broker.servers, documented(bench.namespace, true))
    const cluster = broker.servers.map(({ port }) => ({ host: '127.0.0.1', port }))
    await everythingWorks(bench, { driver: redis({ cluster, ...login }), cut() {}, heal() {} })
  } finally {
    await broker.dispose()
  }
}, 60_000)

/** Every request that there is, without one being denied. */
async function everythingWorks(bench: Bench, way: ContractWay): Promise<void> {
  const { bus, history, registry: unused } = bench.cluster(way)
  const heard = new BusRecorder()
  await Promise.all([bus.start(heard, patience), history?.start(patience)])
  await unused.close()
  await Promise.all(['a', 'b'].map((channel) => bus.subscribe(channel)))
  await bus.publish('a', bytes('x'))
  await history?.append('a', bytes('y'), { size: 2, age: 20 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await history?.append('a', bytes('z'), { size: 2, age: 20 })
  const top = await history?.append('a', bytes('z'), limits)
  expect((await history?.read('a', null, 10))?.top).toEqual(top)
  expect((await history?.read('a', top ?? null, 10))?.complete).toBe(true)
  await eventually(() => heard.messages.length === 4, 'all are heard')
  bus.unsubscribe('b')
  const [one, two] = [await bench.node('one', way), await bench.node('two', way)]
  await eventually(() => one.others.length === 1, 'they see each other')
  await two.registry.close()
  // An entry that nobody writes is removed.
  await eventually(() => one.told.includes('left two closed'), 'it has left')
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  expect(one.told).toEqual(['joined two', 'left two closed'])
  expect(heard.states).toEqual([])
  expect(bench.lines).toEqual([])
}
