import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ContractBroker } from '../../hub/contract/cluster-rig.ts'
import {
  Bench,
  BenchNode,
  BusRecorder,
  bytes,
  eventually,
  outcome,
  patience,
  quickLease,
} from '../../hub/contract/cluster-rig.ts'
import { StoredLeases } from '../../hub/leases/stored-leases.ts'
import { launchCluster, launchServer, RedisServer, until } from './contract/redis-servers.ts'
import { redis } from './redis-driver.ts'
import { RedisLeases } from './redis-leases.ts'
import { RedisLink } from './redis-link.ts'
import { parseRedisOptions } from './redis-options.ts'
import { slotOfTag, tagOf } from './redis-slots.ts'

describe('one server', () => {
  let broker: Awaited<ReturnType<typeof launchServer>>
  beforeAll(async () => {
    broker = await launchServer()
  }, 30_000)
  afterAll(() => broker.dispose())

  test('a subscriber that is cut off for being slow says so, and every subscription is restored', async () => {
    await using bench = new Bench(broker)
    const [one, two] = [await bench.bus(), await bench.bus()]
    await Promise.all([two.bus.subscribe('a'), two.bus.subscribe('b')])
    await broker.server.ask('CLIENT KILL TYPE pubsub')
    await eventually(() => two.heard.states.join() === 'down,up', 'it is back')
    await one.bus.publish('b', bytes('x')).catch(() => one.bus.publish('b', bytes('x')))
    await eventually(() => two.heard.texts().includes('x'), 'it hears')
  })

  test('a password is asked for and given, and stands in no line of the log', async () => {
    const secret = 'hunter2-hunter2'
    await broker.server.ask(`CONFIG SET requirepass ${secret}`)
    try {
      await using bench = new Bench(broker)
      const { port } = broker.server
      const { bus } = bench.cluster({
        driver: redis(`redis://:${secret}@127.0.0.1:${port}`),
        cut() {},
        heal() {},
      })
      await bus.start(new BusRecorder(), patience)
      await bus.publish('a', bytes('x'))
      const wrong = bench.cluster({
        driver: redis(`redis://:${secret}x@127.0.0.1:${port}`),
        cut() {},
        heal() {},
      })
      const refused = await outcome(wrong.bus.start(new BusRecorder(), 300))
      expect(refused).toBe('CLUSTER_UNAVAILABLE')
      expect(bench.lines.length).toBeGreaterThan(0)
      expect(bench.lines.join()).not.toContain(secret)
    } finally {
      await broker.server.ask(`AUTH ${secret}\r\nCONFIG SET requirepass ""`)
    }
  })

  test('a server without HELLO repeats the password: it stands in no line of the log, and in no error', async () => {
    const secret = 'hunter2-hunter2'
    const old = await RedisServer.launch('--rename-command', 'HELLO', 'NOHELLO')
    const way = { driver: redis(`redis://me:${secret}@127.0.0.1:${old.port}`), cut() {}, heal() {} }
    try {
      await using bench = new Bench(broker)
      const { bus, registry } = bench.cluster(way)
      const failed = await bus.start(new BusRecorder(), 300).catch((error: unknown) => error)
      await registry.close()
      await eventually(() => bench.lines.some((line) => line.includes('does not know HELLO')), 'it says why')
      expect(bench.lines.join() + inspect(failed, { depth: 10 })).not.toContain(secret)
    } finally {
      await old.dispose()
    }
  })

  test('scripts that the server forgets are loaded again', async () => {
    await using bench = new Bench(broker)
    const { bus, registry, history } = bench.cluster()
    const heard = new BusRecorder()
    await Promise.all([bus.start(heard, patience), history?.start(patience)])
    await broker.server.ask('SCRIPT FLUSH')
    const limits = { size: 10, age: 60_000 }
    const codes: unknown[] = []
    for (let attempt = 0; attempt < 100 && codes.at(-1) !== 'taken'; attempt++) {
      codes.push(
        await history?.append('a', bytes('x'), limits).then(
          () => 'taken',
          (error: { code: string }) => error.code,
        ),
      )
      await sleep(20)
    }
    expect(codes.at(-1)).toBe('taken')
    expect(codes.slice(0, -1).every((code) => code === 'CLUSTER_UNAVAILABLE')).toBe(true)
    await registry.close()
  })

  test('what others wrote into the table of leases is passed over', async () => {
    await using bench = new Bench(broker)
    await broker.server.ask(`HSET {${bench.namespace}}nodes x nonsense y 5|{} z 5|{"id":7}`)
    const node = await bench.node('a')
    expect(node.others).toEqual([])
    for (const id of ['x', 'y', 'z']) await bench.node(id)
    await eventually(() => node.others.join() === 'x,y,z', 'each is written over')
  })

  test.each(['99999999999999999999|x', '0012|x', '|x', '1e3|x'])(
    'a node comes in where somebody wrote %s under its id',
    async (text) => {
      await using bench = new Bench(broker)
      await broker.server.ask(`HSET {${bench.namespace}}nodes a ${text}`)
      const node = await bench.node('a')
      await sleep(3 * quickLease.beat)
      expect([node.told, node.registry.nodes().length]).toEqual([[], 1])
    },
  )

  test('a node whose lease was written, but not answered, holds it; so does one whose store was set back', async () => {
    await using bench = new Bench(broker)
    const link = new RedisLink(parseRedisOptions(`redis://127.0.0.1:${broker.server.port}`), {
      namespace: bench.namespace,
      lease: quickLease,
      log: { info() {}, warn() {} },
    })
    const facts = { id: 'a', address: null, state: 'active', connections: 0 } as const
    const leases = new StoredLeases(new RedisLeases(link))
    await leases.start(patience)
    const first = (await leases.acquire(facts, null)) as number
    const unheard = (await leases.acquire(facts, first)) as number
    const second = (await leases.acquire(facts, first)) as number
    expect(first < unheard).toBe(true)
    expect(second).toBe(unheard)
    expect(await leases.beat(facts, second)).toBe('held')
    const key = `{${bench.namespace}}nodes`
    const earlier = new StoredLeases(new RedisLeases(link))
    await broker.server.ask(`HSET ${key} a nothing`)
    await earlier.acquire(facts, null)
    const text = (await broker.server.ask(`HGET ${key} a`)).split('\r\n')[1] as string
    const before = text.replace(/"incarnation":\d+/, `"incarnation":${first}`).replaceAll('"', '\\"')
    await broker.server.ask(`HSET ${key} a "${before}"`)
    expect(await leases.beat(facts, second)).toBe('expired')
    expect(await leases.acquire(facts, second)).toBeGreaterThan(second)
    await leases.close()
  })
})

describe('a cluster of three', () => {
  let broker: Awaited<ReturnType<typeof launchCluster>>
  beforeAll(async () => {
    broker = await launchCluster()
  }, 60_000)
  afterAll(() => broker.dispose())

  test('a slot that moves to another server takes its subscriptions with it', async () => {
    await using bench = new Bench(broker)
    const [one, two] = [await bench.bus(), await bench.bus()]
    await Promise.all([one.bus.subscribe('a'), two.bus.subscribe('a')])
    const slot = slotOfTag(tagOf(bench.namespace, 'a'))
    await moveSlot(broker, slot)
    await eventually(() => [one, two].every(({ heard }) => heard.states.at(-1) === 'up'), 'both are back')
    await eventually(() => [one, two].every(({ heard }) => heard.states.length % 2 === 0), 'both stand')
    await sleep(200)
    await one.bus.publish('a', bytes('x')).catch(() => {})
    await eventually(() => two.heard.texts().includes('x'), 'it hears')
    await eventually(() => one.heard.texts().includes('x'), 'the other one as well')
  }, 40_000)

  test('keys are where the server looks for them', async () => {
    for (const name of ['a', 'b', 'room 7']) {
      const tag = tagOf('n', name)
      const answer = await broker.servers[0]?.ask(`CLUSTER KEYSLOT ${tag}`)
      expect(answer).toBe(`:${slotOfTag(tag)}\r\n`)
    }
  })
})

test('a master that is replaced is found through the sentinels', async () => {
  const master = await RedisServer.launch()
  const replica = await RedisServer.launch('--replicaof', `127.0.0.1 ${master.port}`)
  const sentinels: RedisServer[] = []
  try {
    for (let index = 0; index < 3; index++) sentinels.push(await RedisServer.sentinel(master.port))
    await until(async () => {
      const told = await Promise.all(sentinels.map((each) => each.ask('SENTINEL MASTER main')))
      return told.every(
        (text) => /num-slaves\r\n\$\d+\r\n1/.test(text) && /num-other-sentinels\r\n\$\d+\r\n2/.test(text),
      )
    }, 'the sentinels know each other')
    const driver = redis({
      sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
      master: 'main',
    })
    const log = { info() {}, warn() {} }
    const { bus, history, registry } = driver.connect({ namespace: 'n', lease: quickLease, log })
    const heard = new BusRecorder()
    const node = new BenchNode('a', registry)
    await Promise.all([bus.start(heard, patience), history?.start(patience), node.start()])
    await bus.subscribe('a')
    const before = await history?.append('a', bytes('before'), { size: 10, age: 60_000 })
    // What a server that is killed has not delivered yet is lost.
    await eventually(() => heard.messages.length === 1, 'the first was heard')
    await master.process.kill()
    await eventually(() => heard.states.join() === 'down,up', 'it is back', 30_000)
    const after = await history?.append('a', bytes('after'), { size: 10, age: 60_000 })
    expect(after?.epoch).not.toBe(before?.epoch)
    await eventually(() => heard.messages.length === 2, 'the second was heard')
    await eventually(() => node.told.at(-1) === 'up -', 'the node is in the cluster again')
    expect(node.told.join()).not.toContain('replaced')
    await Promise.all([bus.close(), history?.close(), registry.close()])
  } finally {
    await Promise.all([...sentinels, replica, master].map((server) => server.dispose()))
  }
}, 90_000)

async function moveSlot(
  broker: ContractBroker & { servers: readonly RedisServer[] },
  slot: number,
): Promise<void> {
  const ids = await Promise.all(
    broker.servers.map(async (server) => (await server.ask('CLUSTER MYID')).split('\r\n')[1]),
  )
  const owner = Math.min(2, Math.floor((slot * 3) / 16_384))
  const to = (owner + 1) % 3
  for (const index of [to, owner, 3 - to - owner]) {
    await broker.servers[index]?.ask(`CLUSTER SETSLOT ${slot} NODE ${ids[to]}`)
  }
}
