import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Bench,
  BenchNode,
  BusRecorder,
  bytes,
  type ContractWay,
  eventually,
  outcome,
  patience,
} from '../../hub/contract/cluster-rig.ts'
import { launchCluster, launchServer, RedisServer } from './contract/redis-servers.ts'
import { redis } from './redis-driver.ts'
import { slotOfTag } from './redis-slots.ts'

const limits = { size: 10, age: 60_000 }

function to(server: RedisServer): ContractWay {
  return { driver: redis(`redis://127.0.0.1:${server.port}`), cut() {}, heal() {} }
}

describe('one server', () => {
  let broker: Awaited<ReturnType<typeof launchServer>>
  beforeAll(async () => {
    broker = await launchServer()
  }, 30_000)
  afterAll(() => broker.dispose())

  test('that has no room takes nothing, not even the first of a room, and may take it later', async () => {
    await using bench = new Bench(broker)
    const { bus, history } = bench.cluster(to(broker.server))
    const heard = new BusRecorder()
    await Promise.all([bus.start(heard, patience), history?.start(patience)])
    await broker.server.ask('CONFIG SET maxmemory 1')
    const append = () => outcome(history?.append('a', bytes('x'), limits) as Promise<unknown>)
    expect([await append(), await append()]).toEqual(['CLUSTER_UNAVAILABLE', 'CLUSTER_UNAVAILABLE'])
    await broker.server.ask('CONFIG SET maxmemory 0')
    expect(await append()).toMatchObject({ offset: 1 })
    expect(heard.states).toEqual([])
  })

  test('is not asked for a history before the history has begun', async () => {
    await using bench = new Bench(broker)
    const { bus, history } = bench.cluster(to(broker.server))
    const heard = new BusRecorder()
    await bus.start(heard, patience)
    const append = () => outcome(history?.append('a', bytes('x'), limits) as Promise<unknown>)
    expect(await append()).toBe('CLUSTER_UNAVAILABLE')
    await history?.start(patience)
    expect(await append()).toMatchObject({ offset: 1 })
    expect(heard.states).toEqual([])
  })

  test('gets no timer for each command', async () => {
    await using bench = new Bench(broker)
    const { bus } = await bench.bus(to(broker.server))
    const { timeout } = AbortSignal
    let timers = 0
    AbortSignal.timeout = (delay) => {
      timers += 1
      return timeout.call(AbortSignal, delay)
    }
    try {
      await bus.publish('a', bytes('x'))
    } finally {
      AbortSignal.timeout = timeout
    }
    expect(timers).toBe(0)
  })
})

test('a replica is not taken for a master, nor kept for one when it becomes a replica', async () => {
  const [master, other] = await Promise.all([RedisServer.launch(), RedisServer.launch()])
  try {
    await using bench = new Bench({ way: () => to(other) } as never)
    await other.ask(`REPLICAOF 127.0.0.1 ${master.port}`)
    const { bus } = bench.cluster()
    const heard = new BusRecorder()
    expect(await outcome(bus.start(heard, 300))).toBe('CLUSTER_UNAVAILABLE')
    expect(bench.lines).toEqual(['Redis cannot be reached {"reason":"the server is no master"}'])
    await other.ask('REPLICAOF NO ONE')
    await eventually(() => heard.states.join() === 'down,up', 'it is a master')
    await other.ask(`REPLICAOF 127.0.0.1 ${master.port}`)
    await eventually(() => heard.states.join() === 'down,up,down', 'it is one no more')
    await sleep(500)
    expect(heard.states.join()).toBe('down,up,down')
  } finally {
    await Promise.all([master.dispose(), other.dispose()])
  }
}, 40_000)

test('a slot that is left open takes what is in it away, and nothing else', async () => {
  const broker = await launchCluster()
  try {
    await using bench = new Bench(broker)
    const { bus, registry } = bench.cluster()
    const heard = new BusRecorder()
    const node = new BenchNode('a', registry)
    await Promise.all([bus.start(heard, patience), node.start()])
    const key = `{${bench.namespace}}nodes`
    const slot = slotOfTag(key)
    const from = Math.min(2, Math.floor((slot * 3) / 16_384))
    const target = (from + 1) % 3
    const [source, sink] = [broker.servers[from] as RedisServer, broker.servers[target] as RedisServer]
    const idOf = async (server: RedisServer) => (await server.ask('CLUSTER MYID')).split('\r\n')[1]
    await sink.ask(`CLUSTER SETSLOT ${slot} IMPORTING ${await idOf(source)}`)
    await source.ask(`CLUSTER SETSLOT ${slot} MIGRATING ${await idOf(sink)}`)
    await source.ask(`MIGRATE 127.0.0.1 ${sink.port} ${key} 0 1000`)
    await eventually(() => node.told.includes('down -'), 'the nodes cannot be had')
    await sleep(500)
    expect(heard.states).toEqual([])
    const sinkId = await idOf(sink)
    for (const server of [sink, source]) await server.ask(`CLUSTER SETSLOT ${slot} NODE ${sinkId}`)
    await eventually(() => node.told.at(-1) === 'up -', 'the nodes are back')
  } finally {
    await broker.dispose()
  }
}, 60_000)
