import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import { describe, expect, test } from 'vitest'
import {
  Bench,
  BusRecorder,
  bytes,
  type ContractWay,
  eventually,
  outcome,
  patience,
} from '../../hub/contract/cluster-rig.ts'
import { launchNats, NatsServer } from './contract/nats-servers.ts'
import { nats } from './nats-driver.ts'
import type { NatsOptions } from './nats-options.ts'

const plenty = { size: 1_000, age: 600_000 }

function to(options: string | NatsOptions): ContractWay {
  return { driver: nats(options), cut() {}, heal() {} }
}

test('a password is asked for and given, and stands in no line of the log', async () => {
  const secret = 'hunter2-hunter2'
  const broker = await launchNats({}, `authorization { user: "me", password: "${secret}" }`)
  try {
    await using bench = new Bench(broker)
    const { port } = broker.server
    const { bus } = bench.cluster(to(`nats://me:${secret}@127.0.0.1:${port}`))
    await bus.start(new BusRecorder(), patience)
    await bus.publish('a', bytes('x'))
    const wrong = bench.cluster(to(`nats://me:${secret}x@127.0.0.1:${port}`))
    expect(await outcome(wrong.bus.start(new BusRecorder(), 300))).toBe('CLUSTER_UNAVAILABLE')
    expect(bench.lines.length).toBeGreaterThan(0)
    expect(bench.lines.join()).not.toContain(secret)
  } finally {
    await broker.dispose()
  }
})

test('what is not permitted, and what is too large, is refused; the rest goes on', async () => {
  const denied = '{ deny: ["*.c.secret"] }'
  const permissions = `{ publish: ${denied}, subscribe: ${denied} }`
  const users = `{ users: [{ user: "me", password: "x", permissions: ${permissions} }] }`
  const broker = await launchNats(
    { username: 'me', password: 'x' },
    `authorization ${users}\nmax_payload: 1000`,
  )
  try {
    await using bench = new Bench(broker)
    const { bus, heard } = await bench.bus()
    await bus.subscribe('a')
    expect(await outcome(bus.subscribe('secret'))).toBe('CLUSTER_REFUSED')
    expect(await outcome(bus.publish('secret', bytes('x')))).toBe('CLUSTER_REFUSED')
    expect(await outcome(bus.publish('a', new Uint8Array(1_001)))).toBe('CLUSTER_REFUSED')
    await bus.publish('a', bytes('fine'))
    await eventually(() => heard.texts('a').length === 1, 'the rest goes on')
    expect(heard.states).toEqual([])
  } finally {
    await broker.dispose()
  }
})

test('a server without JetStream carries messages and says what it lacks', async () => {
  const server = await NatsServer.launch('jetstream: disabled')
  const broker = { way: () => to(`nats://127.0.0.1:${server.port}`) }
  try {
    await using bench = new Bench(broker as never)
    const { bus, history, registry } = bench.cluster()
    await bus.start(new BusRecorder(), patience)
    await history?.start(patience)
    await bus.publish('a', bytes('x'))
    const failed = await history?.append('a', bytes('x'), plenty).catch((error: Error) => error)
    expect(String(failed)).toContain('JetStream')
    await registry.close()
  } finally {
    await server.dispose()
  }
})

describe('what a room keeps', () => {
  test('is its own affair, though one stream has them all', async () => {
    const broker = await launchNats()
    try {
      await using bench = new Bench(broker)
      const { bus, history } = bench.cluster()
      await Promise.all([bus.start(new BusRecorder(), patience), history?.start(patience)])
      const append = async (room: string, size: number) => {
        for (let index = 0; index < 10; index++) {
          await history?.append(room, bytes(`${index}`), { size, age: 60_000 })
        }
      }
      for (const [room, size] of [
        ['few', 3],
        ['many', 8],
        ['some', 5],
      ] as const)
        await append(room, size)
      await append('few', 3)
      for (const [room, size] of [
        ['few', 3],
        ['many', 8],
        ['some', 5],
      ] as const) {
        expect((await history?.read(room, null, 100))?.messages.length).toBe(size)
      }
    } finally {
      await broker.dispose()
    }
  })

  test('takes no more for a room than it can put behind each other, and as much as ever for the others', async () => {
    const broker = await launchNats()
    try {
      await using bench = new Bench(broker)
      const { bus, history } = bench.cluster()
      await Promise.all([bus.start(new BusRecorder(), patience), history?.start(patience)])
      const append = (room: string) =>
        outcome(history?.append(room, new Uint8Array(500_000), plenty) as Promise<unknown>)
      const busy = Array.from({ length: 12 }, () => append('busy'))
      const other = append('other')
      const refused = Array.from({ length: 4 }, () => 'CLUSTER_UNAVAILABLE')
      // At once: not after those that wait.
      expect(await Promise.race([busy[11], busy[0]])).toBe('CLUSTER_UNAVAILABLE')
      expect((await Promise.all(busy)).slice(8)).toEqual(refused)
      expect((await Promise.all(busy)).slice(0, 8)).not.toContain('CLUSTER_UNAVAILABLE')
      expect(await other).not.toBe('CLUSTER_UNAVAILABLE')
      expect((await history?.read('busy', null, 100))?.messages.length).toBe(8)
      expect(await append('busy')).not.toBe('CLUSTER_UNAVAILABLE')
    } finally {
      await broker.dispose()
    }
  })

  test('ends when its stream is removed: nodes take a new lease, rooms begin a new epoch', async () => {
    const broker = await launchNats()
    const client = await connect({ servers: `127.0.0.1:${broker.server.port}` })
    try {
      await using bench = new Bench(broker)
      const { bus, history } = bench.cluster()
      await Promise.all([bus.start(new BusRecorder(), patience), history?.start(patience)])
      const nodes = [await bench.node('a'), await bench.node('b')]
      await eventually(() => nodes.every(({ others }) => others.length === 1), 'all see all')
      const before = await history?.append('room', bytes('x'), plenty)
      for (const name of ['nodes', 'history']) {
        await client.request(`$JS.API.STREAM.DELETE.${bench.namespace}_${name}`)
      }
      await eventually(() => nodes.every(({ told }) => told.includes('regained -')), 'all have a lease again')
      await eventually(() => nodes.every(({ others }) => others.length === 1), 'all see all again')
      expect(nodes.flatMap(({ told }) => told).filter((line) => line.includes('dead'))).toEqual([])
      expect(await outcome(history?.append('room', bytes('x'), plenty) as Promise<unknown>)).toBe(
        'CLUSTER_UNAVAILABLE',
      )
      const after = await history?.append('room', bytes('y'), plenty)
      expect(after?.offset).toBe(1)
      expect(after?.epoch).not.toBe(before?.epoch)
    } finally {
      await client.close()
      await broker.dispose()
    }
  }, 30_000)
})

test('three servers that are one system go on without one of them', async () => {
  const servers = await NatsServer.launchThree()
  const urls = servers.map(({ port }) => `nats://127.0.0.1:${port}`)
  const broker = { way: () => to({ servers: urls, replicas: 3 }) }
  try {
    await using bench = new Bench(broker as never)
    const nodes = await Promise.all(['a', 'b', 'c'].map((id) => bench.node(id)))
    await eventually(() => nodes.every(({ others }) => others.length === 2), 'all see all')
    // Each at another server, so that one of them loses its own.
    const clusters = urls.map((servers) => bench.cluster(to({ servers: [servers, ...urls], replicas: 3 })))
    const heard = clusters.map(() => new BusRecorder())
    await Promise.all(clusters.map(({ bus }, index) => bus.start(heard[index] as BusRecorder, patience)))
    await Promise.all(clusters.map(({ history }) => history?.start(patience)))
    await Promise.all(clusters.map(({ bus }) => bus.subscribe('room')))
    const append = async (index: number, text: string) => {
      for (;;) {
        const position = await clusters[index]?.history?.append('room', bytes(text), plenty).catch(() => null)
        if (position !== null && position !== undefined) return position
        await sleep(20)
      }
    }
    const before = await append(0, 'before')
    await servers[0]?.process.kill()
    const after = await append(1, 'after')
    await append(0, 'after too')
    expect(after.epoch).toBe(before.epoch)
    const slice = await clusters[2]?.history?.read('room', before, 100)
    const texts = slice?.messages.map(({ payload }) => new TextDecoder().decode(payload))
    expect(texts?.includes('after')).toBe(true)
    expect(slice?.complete).toBe(true)
    await eventually(() => nodes.every(({ others }) => others.length === 2), 'all see all again', 30_000)
  } finally {
    await Promise.all(servers.map((server) => server.dispose()))
  }
}, 90_000)
