import { afterEach, describe, expect, test } from 'vitest'
import type { WorldNode } from '../../hub/contract/hub-world.ts'
import { MemoryWorld } from './contract/memory-world.ts'

/** Nodes that lose the broker that carries messages, or the one that knows the nodes, and keep the other. */
let world: MemoryWorld
afterEach(() => world.close())

const room = (name: string) => ({ kind: 'room', name }) as const

async function two(): Promise<[WorldNode, WorldNode]> {
  world = new MemoryWorld()
  return [await world.node('a'), await world.node('b')]
}

/** With somebody of each node in a room with presence, and in one without. */
async function occupied() {
  const [a, b] = await two()
  const clients = [a.connect('ua'), b.connect('ub')] as const
  for (const [node, client] of [
    [a, clients[0]],
    [b, clients[1]],
  ] as const) {
    node.join(client, 'p')
    node.join(client, 'r')
  }
  await world.clock.advance(20_000)
  return { a, b, ca: clients[0], cb: clients[1] }
}

describe('a node that is new', () => {
  test('is known to the others when it is ready, and asked like every other', async () => {
    world = new MemoryWorld()
    const a = await world.node('a')
    // In the middle between two looks of the first.
    await world.clock.advance(400)
    const b = world.make('b')
    const seen: string[][] = []
    b.half.events.on('ready.changed', ({ ready }) => {
      if (ready) seen.push(a.half.nodes().map(({ id }) => id))
    })
    for (const name of ['1', '2', '3']) b.join(b.connect(name), 'p')
    const started = b.half.start(10_000)
    await world.clock.advance(300)
    expect([await started, b.half.ready(), seen]).toEqual([true, true, [['a', 'b']]])
    expect(await world.after(a.half.presence.count('p'), 0)).toEqual({ value: 3, missing: [] })
    const counted = await world.after(a.half.count({ kind: 'everybody' }), 0)
    expect(counted.results.map(({ node }) => node).sort()).toEqual(['a', 'b'])
  })

  test('and is heard before it is known, is not gone', async () => {
    const [a, b] = await two()
    // Nobody learns of a third: the first cannot look.
    world.cut(a, 'registry')
    await world.clock.advance(4_000)
    const c = world.make('c')
    void c.half.start(10_000)
    await world.clock.advance(3_000)
    const client = c.connect('uc')
    const to = { kind: 'connection', id: client.id } as const
    expect((await world.after(a.send(to, 'hi') as Promise<{ status: string }>)).status).toBe('relayed')
    expect(client.got.map(({ data }) => data)).toEqual(['hi'])
    // What it has is not known here, and that is said.
    expect((await world.after(a.half.presence.count('p'))).missing).toContainEqual({
      node: 'c',
      reason: 'unreachable',
    })
    const nowhere = b.send({ kind: 'connection', id: 'nobody.1' }, 'hi') as Promise<{ status: string }>
    expect((await world.after(nowhere)).status).toBe('gone')
  })

  test('and has a client before it has started, tells nobody who was there before it', async () => {
    world = new MemoryWorld()
    const a = await world.node('a')
    for (let index = 0; index < 5; index++) a.join(a.connect(`old${index}`), 'p')
    await world.clock.advance(10_000)
    const b = world.make('b')
    void b.half.start(10_000)
    b.join(b.connect('mine'), 'p')
    await world.clock.advance(20_000)
    expect(b.told).toEqual(['join p mine'])
  })

  test.each(['registry', 'bus'] as const)('and comes without its %s, does so, too', async (part) => {
    world = new MemoryWorld()
    const a = await world.node('a')
    for (let index = 0; index < 5; index++) a.join(a.connect(`old${index}`), 'p')
    await world.clock.advance(10_000)
    const b = world.make('b')
    world.cut(b, part)
    const started = b.half.start(1_000)
    b.join(b.connect('mine'), 'p')
    await world.clock.advance(8_000)
    // It does not wait for the others to tell its own.
    expect([await started, b.half.ready(), b.told]).toEqual([false, false, ['join p mine']])
    expect(b.half.nodes().map(({ id }) => id)).toContain('b')
    world.heal(b, part)
    await world.clock.advance(20_000)
    expect([b.half.ready(), b.told]).toEqual([true, ['join p mine']])
    expect(await world.after(b.half.presence.count('p'))).toEqual({ value: 6, missing: [] })
  })
})

/** Has a node write and read another version of what nodes say to each other. */
function speakAnother({ cluster: { bus } }: WorldNode): void {
  const { publish, start } = bus
  const other = (payload: Uint8Array) => payload.with(0, (payload[0] as number) ^ 0x80)
  bus.publish = (channel, payload) => publish(channel, other(payload))
  bus.start = (events, patience) => {
    const message = (channel: string, payload: Uint8Array) => events.message(channel, other(payload))
    return start({ message, down: (reason) => events.down(reason), up: () => events.up() }, patience)
  }
}

test('nodes of two versions serve their own, name each other as missing, and are quiet', async () => {
  world = new MemoryWorld()
  const [a, b] = [await world.node('a'), world.make('b')]
  speakAnother(b)
  const started = b.half.start(10_000)
  await world.clock.advance(3_000)
  expect([await started, a.half.ready(), b.half.ready()]).toEqual([true, true, true])
  for (const node of [a, b]) {
    for (let number = 0; number < 300; number++) node.join(node.connect(`u${node.id}`), `p${number}`)
  }
  await world.clock.advance(60_000)
  for (const [node, other] of [
    [a, 'b'],
    [b, 'a'],
  ] as const) {
    const missing = [{ node: other, reason: 'timeout' }]
    expect(await world.after(node.half.presence.count('p1'), 5_000)).toEqual({ value: 1, missing })
    expect((await world.after(node.half.count(room('p1')), 5_000)).missing).toEqual(missing)
    const { publishes, refused } = node.half.stats()
    await world.clock.advance(60_000)
    // Probes, and few requests that nobody understands.
    expect(node.half.stats().publishes - publishes).toBeLessThan(30 + 10)
    expect(node.half.stats().refused).toBeGreaterThan(refused)
  }
})

describe('a node that is new, and loses the bus before it hears anything', () => {
  test('starts in time, is not ready, and goes on trying', async () => {
    world = new MemoryWorld()
    const a = await world.node('a')
    const b = world.make('b')
    const { bus } = b.cluster
    // The broker takes the connection and is away before it answers that it listens.
    const listens = Promise.withResolvers<void>()
    const subscribe = bus.subscribe
    bus.subscribe = (channel) => subscribe(channel).then(() => listens.promise)
    let started: boolean | null = null
    void b.half.start(10_000).then((found) => {
      started = found
    })
    await world.clock.advance(100)
    world.cut(b, 'bus')
    await world.clock.advance(13_000)
    expect([started, b.half.ready()]).toEqual([true, false])
    world.heal(b, 'bus')
    listens.resolve()
    await world.clock.advance(6_000)
    expect([b.half.ready(), a.half.nodes().length]).toEqual([true, 2])
  })
})

describe('a node that is kept from the registry only', () => {
  test('is not ready when the others have let its lease end, and says what is uncertain', async () => {
    const { a, b, ca } = await occupied()
    const doubts: number[] = []
    b.half.events.on('lease.doubted', () => doubts.push(world.clock.now()))
    const left: number[] = []
    a.half.events.on('node.left', () => left.push(world.clock.now()))
    world.cut(b, 'registry')
    await world.clock.advance(30_000)
    expect(b.half.ready()).toBe(false)
    // It knows no later than they do.
    expect(doubts[0]).toBeLessThanOrEqual(left[0] as number)
    const sent = b.send(room('r'), 'late') as Promise<{ status: string }>
    expect([(await world.after(sent)).status, ca.got]).toEqual(['uncertain', []])
    world.heal(b, 'registry')
    await world.clock.advance(10_000)
    expect(b.half.ready()).toBe(true)
    expect((await world.after(a.half.presence.list('p', 0, 10))).value.items).toEqual(['ua', 'ub'])
  })

  test('with all others is ready again when it is back, in the same life', async () => {
    const { a, b } = await occupied()
    const told: string[] = []
    for (const node of [a, b]) {
      node.half.events.on('node.left', () => told.push('left'))
      node.half.events.on('lease.lost', () => told.push('lost'))
    }
    world.brokers.registry.stop()
    await world.clock.advance(60_000)
    expect([a.half.ready(), b.half.ready()]).toEqual([false, false])
    world.brokers.registry.start()
    await world.clock.advance(5_000)
    expect([a.half.ready(), b.half.ready(), told]).toEqual([true, true, []])
  })
})

describe('a node that takes a new lease', () => {
  test('does not say that it has relayed what it was given before', async () => {
    const { a, b, ca } = await occupied()
    const sent: Promise<{ status: string }>[] = []
    b.half.events.on('lease.lost', () => sent.push(b.send(room('r'), 'late') as Promise<{ status: string }>))
    world.cut(b, 'registry')
    await world.clock.advance(30_000)
    world.heal(b, 'registry')
    await world.clock.advance(10_000)
    expect([a.half.stats().nodes, b.half.ready()]).toEqual([2, true])
    expect([await Promise.all(sent), ca.got]).toEqual([[{ status: 'degraded', position: null }], []])
  })
})

describe('a node that is kept from the bus only', () => {
  test('and whose last user goes meanwhile, leaves no ghost', async () => {
    const { a, b, cb } = await occupied()
    world.cut(b, 'bus')
    await world.clock.advance(1_000)
    b.disconnect(cb)
    // Longer than it looks at a room that nobody of it is in.
    await world.clock.advance(60_000)
    world.heal(b, 'bus')
    await world.clock.advance(20_000)
    const { value, missing } = await world.after(a.half.presence.list('p', 0, 10))
    expect([value.items, missing]).toEqual([['ua'], []])
  })

  test('says at once that it does not know who is there', async () => {
    const { a } = await occupied()
    world.cut(a, 'bus')
    await world.clock.advance(10)
    const { value, missing } = await world.after(a.half.presence.count('p'), 0)
    expect([value, missing]).toEqual([2, [{ node: 'b', reason: 'unreachable' }]])
  })

  test('while somebody waits, lets them wait no longer', async () => {
    const { a } = await occupied()
    world.lose = (channel) => channel === 'node.a'
    const asked = a.half.presence.count('p9')
    await world.clock.advance(10)
    world.cut(a, 'bus')
    expect((await world.after(asked, 10)).missing).toEqual([{ node: 'b', reason: 'unreachable' }])
    world.lose = () => false
  })
})

describe('a node that is suspected', () => {
  test('is missing, though its users are known', async () => {
    const { a, b } = await occupied()
    world.cut(b, 'registry')
    await world.clock.advance(10_000)
    expect(await world.after(a.half.presence.count('p'), 0)).toEqual({
      value: 2,
      missing: [{ node: 'b', reason: 'suspected' }],
    })
  })
})

describe('a node that starts again under its name', () => {
  test('gets no answer to a question of its earlier life', async () => {
    const [a, b] = await two()
    const slow = (milliseconds: number, value: string) => () =>
      new Promise((resolve) => world.clock.after(milliseconds, () => resolve(value)))
    for (const node of [a, b]) node.half.questions.answer('app:first', slow(3_000, 'to the first'))
    b.half.questions.answer('app:second', slow(4_000, 'to the second'))
    void a.half.questions.ask('app:first', null)
    await world.clock.advance(10)
    world.crash(a)
    const again = await world.node('a')
    const { results, missing } = await world.after(again.half.questions.ask('app:second', null), 6_000)
    expect(results).toEqual([{ node: 'b', value: 'to the second' }])
    expect(missing).toEqual([{ node: 'a', reason: 'unknown' }])
  })
})

test('an answer that is larger than the broker takes has failed, at once', async () => {
  const [a, b] = await two()
  b.half.questions.answer('app:large', () => 'x'.repeat(1_100_000))
  const { missing } = await world.after(a.half.questions.ask('app:large', null), 100)
  expect(missing).toEqual([
    { node: 'a', reason: 'unknown' },
    { node: 'b', reason: 'failed' },
  ])
})

describe('rooms whose presence is watched', () => {
  test('are told of at a node that nobody is connected to', async () => {
    world = new MemoryWorld()
    const [a, b] = [await world.node('a'), world.make('b', { watched: ['p'] })]
    void b.half.start(10_000)
    await world.clock.advance(100_000)
    const client = a.connect('u')
    a.join(client, 'p')
    await world.clock.advance(1_000)
    a.disconnect(client)
    await world.clock.advance(100_000)
    expect(b.told).toEqual(['join p u', 'leave p u'])
  })
})

describe('listeners', () => {
  test('that fail are told of, and keep nobody else from hearing', async () => {
    const [a, b] = await two()
    const heard: unknown[] = []
    const fails = () => {
      throw new Error('a listener fails')
    }
    b.half.on('app:x', fails)
    b.half.on('app:x', (value) => heard.push(value))
    b.half.events.on('node.changed', fails)
    await world.after(a.half.emit('app:x', 1))
    a.connect('u')
    await world.clock.advance(5_000)
    expect([heard, b.failures.map(String)]).toEqual([
      [1],
      ['Error: a listener fails', 'Error: a listener fails'],
    ])
  })
})

test('a small message is not refused because a large one for the same room follows it', async () => {
  const { a, cb } = await occupied()
  const sent = [200_000, 1_100_000, 10].map((length) => a.send(room('r'), 'x'.repeat(length)))
  const statuses = (await world.after(Promise.all(sent))).map((each) => each?.status)
  expect(statuses).toEqual(['relayed', 'refused', 'relayed'])
  expect(cb.got.map(({ data }) => data.length)).toEqual([200_000, 10])
})

test('after the broker was away nodes tell each other of many rooms in few messages', async () => {
  world = new MemoryWorld()
  const nodes: WorldNode[] = []
  for (const id of 'abcd') nodes.push(await world.node(id))
  for (const node of nodes) {
    const client = node.connect(`u${node.id}`)
    for (let number = 0; number < 300; number++) node.join(client, `p${number}`)
  }
  await world.clock.advance(60_000)
  const published = () => nodes.reduce((sum, { half }) => sum + half.stats().publishes, 0)
  world.brokers.bus.stop()
  await world.clock.advance(500)
  world.brokers.bus.start()
  const before = published()
  // Who is asked before it is back is asked again after three seconds.
  await world.clock.advance(8_000)
  // Requests of 256 rooms at most, as many answers, and the probes; not a message for each room and node.
  expect(published() - before).toBeLessThan(100)
  for (const node of nodes) {
    expect(await world.after(node.half.presence.count('p299'), 0)).toEqual({ value: 4, missing: [] })
  }
})
