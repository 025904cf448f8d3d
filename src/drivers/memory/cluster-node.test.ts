import { afterEach, describe, expect, test } from 'vitest'
import { seededRandom } from '../../core/balancing/contract/seeded-random.ts'
import { roomChannel } from '../../hub/cluster/channels.ts'
import { encode } from '../../hub/cluster/envelope.ts'
import { WorldNode } from '../../hub/contract/hub-world.ts'
import { VirtualClock } from '../../hub/contract/virtual-clock.ts'
import { PresenceSimulation } from './contract/simulate-presence.ts'
import { MemoryBroker } from './memory-broker.ts'

/** Nodes over one broker in this process, in virtual time. */
class World {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly broker: MemoryBroker
  readonly nodes: WorldNode[] = []
  lose: (channel: string) => boolean = () => false

  constructor(seed = 1) {
    this.random = seededRandom(seed)
    this.broker = new MemoryBroker(this.clock, this.random)
  }

  async node(id: string): Promise<WorldNode> {
    const node = new WorldNode(id, this.broker, this.clock, (channel) => this.lose(channel))
    this.nodes.push(node)
    const started = node.half.start(10_000)
    await this.clock.advance(100)
    expect(await started).toBe(true)
    return node
  }

  async start(count: number): Promise<WorldNode[]> {
    for (let index = 0; index < count; index++) await this.node('abcdefgh'[index] as string)
    await this.clock.advance(4_000)
    return this.nodes
  }

  /** Dies without a word. */
  crash(node: WorldNode): void {
    this.broker.cut(node.made)
    this.nodes.splice(this.nodes.indexOf(node), 1)
    crashed.push(node)
  }

  async close(): Promise<void> {
    const closing = Promise.all([...this.nodes, ...crashed.splice(0)].map((node) => node.half.close()))
    await this.clock.advance(20_000)
    await closing
  }
}

const crashed: WorldNode[] = []
let world: World
afterEach(() => world.close())

const room = (name: string) => ({ kind: 'room', name }) as const
const got = (client: { got: { data: unknown }[] }) => client.got.map(({ data }) => data)

async function present(node: WorldNode, name: string): Promise<string[]> {
  const listing = node.half.presence.list(name, 0, 10_000)
  await world.clock.advance(200)
  return [...(await listing).value.items].sort()
}

describe('orders', () => {
  test('reach the members of a room on every node, in order, but for the one that is excepted', async () => {
    world = new World()
    const [a, b, c] = (await world.start(3)) as [WorldNode, WorldNode, WorldNode]
    const [one, two, three, other] = [a.connect('1'), b.connect('2'), b.connect('3'), c.connect('4')]
    for (const [node, client] of [
      [a, one],
      [b, two],
      [b, three],
    ] as const)
      node.join(client, 'r')
    c.join(other, 'elsewhere')
    await world.clock.advance(100)
    const results = ['x', 'y', 'z'].map((text) => a.send(room('r'), text, three.id))
    await world.clock.advance(10)
    expect((await Promise.all(results)).map((each) => each?.status)).toEqual([
      'relayed',
      'relayed',
      'relayed',
    ])
    expect([got(one), got(two), got(three), got(other)]).toEqual([['x', 'y', 'z'], ['x', 'y', 'z'], [], []])
    // One tick, one publish.
    const before = a.half.stats().publishes
    for (let index = 0; index < 100; index++) a.send(room('r'), `${index}`)
    await world.clock.settle()
    expect(a.half.stats().publishes - before).toBe(1)
    expect(got(two).length).toBe(103)
    expect(c.half.stats().channels).toBeLessThan(5)
  })

  test('reach every device of a user, one connection straight at its owner, and everybody', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    const [phone, desk, other] = [a.connect('u'), b.connect('u'), b.connect('v')]
    await world.clock.advance(100)
    void b.send({ kind: 'user', id: 'u' }, 'both')
    void a.send({ kind: 'connection', id: desk.id }, 'desk')
    void a.send({ kind: 'everybody' }, 'all')
    await world.clock.advance(10)
    expect([got(phone), got(desk), got(other)]).toEqual([['all', 'both'], ['both', 'desk', 'all'], ['all']])
    void a.half.relay({ kind: 'connection', id: desk.id }, { do: 'join', room: 'r' })
    void a.half.relay({ kind: 'user', id: 'v' }, { do: 'close', reason: { code: 4000, reason: 'x' } })
    await world.clock.advance(10)
    expect([[...desk.rooms], other.open]).toEqual([['r'], false])
    expect(
      (await a.half.relay({ kind: 'connection', id: 'gone.1' }, { do: 'join', room: 'r' }))?.status,
    ).toBe('gone')
  })

  test('are degraded while the broker is away, and the node says that it is not ready', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    const [here, there] = [a.connect('1'), b.connect('2')]
    a.join(here, 'r')
    b.join(there, 'r')
    await world.clock.advance(100)
    expect(a.half.ready()).toBe(true)
    world.broker.stop()
    await world.clock.advance(10)
    expect(a.half.ready()).toBe(false)
    const result = a.send(room('r'), 'local')
    await world.clock.advance(10)
    expect([(await result)?.status, got(here), got(there)]).toEqual(['degraded', ['local'], []])
    world.broker.start()
    await world.clock.advance(10_000)
    expect(a.half.ready()).toBe(true)
    void a.send(room('r'), 'again')
    await world.clock.advance(10)
    expect(got(there)).toEqual(['again'])
  })

  test('of a life that has ended are refused', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    const member = b.connect('1')
    b.join(member, 'r')
    await world.clock.advance(100)
    // A second process with the same id takes the lease: the first is fenced though its bus works.
    await world.node('a')
    const late = a.send(room('r'), 'late')
    await world.clock.advance(10)
    expect([(await late)?.status, got(member)]).toEqual(['relayed', []])
    expect(b.half.stats().refused).toBeGreaterThan(0)
    // Soon it knows.
    await world.clock.advance(4_000)
    expect(a.half.ready()).toBe(false)
    const later = a.send(room('r'), 'later')
    await world.clock.advance(10)
    expect([(await later)?.status, got(member)]).toEqual(['degraded', []])
  })
})

test('what comes late, over a connection to the broker that its node has given up, is refused', async () => {
  world = new World()
  const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
  const member = b.connect('1')
  b.join(member, 'r')
  await world.clock.advance(100)
  const { incarnation } = b.half.nodes().find(({ id }) => id === 'a') as { incarnation: number }
  // The network lets go of what it had kept: it comes in the name of `a`, over no connection of `a` any more.
  const { bus } = new WorldNode('network', world.broker, world.clock).made
  void bus.start({ message() {}, down() {}, up() {} }, 1_000)
  await world.clock.advance(100)
  const kept = (session: number) => {
    const order = { do: 'send', data: `kept ${session}`, except: null, key: null, position: null } as const
    const message = { kind: 'orders', orders: [{ to: room('r'), order }] } as const
    void bus.publish(roomChannel('r'), encode({ id: 'a', incarnation, session }, message))
    return world.clock.advance(100)
  }
  await kept(0)
  world.broker.cut(a.made)
  await world.clock.advance(1_000)
  world.broker.heal(a.made)
  await world.clock.advance(5_000)
  void a.send(room('r'), 'new')
  await world.clock.advance(100)
  await kept(0)
  await kept(1)
  expect(got(member)).toEqual(['kept 0', 'new', 'kept 1'])
  expect(b.half.stats().refused).toBe(1)
  await bus.close()
})

describe('a node that hears nothing though its connection stands', () => {
  test('is not ready, connects anew, and is ready again', async () => {
    world = new World()
    const [a] = (await world.start(1)) as [WorldNode]
    const deaf: number[] = []
    a.half.events.on('node.deafened', () => deaf.push(world.clock.now()))
    let silent = true
    world.lose = () => silent
    await world.clock.advance(40_000)
    expect(a.half.ready()).toBe(false)
    // It tries again as long as that lasts.
    expect(deaf.length).toBeGreaterThan(2)
    silent = false
    await world.clock.advance(10_000)
    expect(a.half.ready()).toBe(true)
  })
})

describe('questions', () => {
  test('are answered by all, and tell who is missing and why', async () => {
    world = new World()
    const [a, b, c, d] = (await world.start(4)) as [WorldNode, WorldNode, WorldNode, WorldNode]
    for (const node of [a, b, d]) node.half.questions.answer('name', () => node.id)
    c.half.questions.answer('name', () => new Promise(() => {}))
    const first = a.half.questions.ask('name', null)
    await world.clock.advance(100)
    world.crash(d)
    await world.clock.advance(5_000)
    expect(await first).toEqual({
      results: [
        { node: 'a', value: 'a' },
        { node: 'b', value: 'b' },
        { node: 'd', value: 'd' },
      ],
      missing: [{ node: 'c', reason: 'timeout' }],
    })
    const startedAt = world.clock.now()
    const second = a.half.questions.ask('name', null).then((answers) => ({ answers, at: world.clock.now() }))
    await world.clock.advance(6_000)
    const { answers, at } = await second
    expect(answers.missing).toContainEqual({ node: 'd', reason: 'suspected' })
    expect(at - startedAt).toBeLessThanOrEqual(5_000)
    const unknown = a.half.questions.ask('nobody knows', null)
    await world.clock.advance(100)
    expect((await unknown).missing.map(({ reason }) => reason)).toContain('unknown')
    world.broker.stop()
    await world.clock.advance(1)
    const alone = a.half.questions.ask('name', null)
    await world.clock.advance(1)
    expect((await alone).results).toEqual([{ node: 'a', value: 'a' }])
    expect((await alone).missing.every(({ reason }) => reason !== 'timeout')).toBe(true)
    world.broker.start()
    await world.clock.advance(5_000)
  })

  test('end early when the node that is waited for leaves', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    a.half.questions.answer('slow', () => 1)
    b.half.questions.answer('slow', () => new Promise(() => {}))
    const asked = a.half.questions.ask('slow', null)
    await world.clock.advance(100)
    const closing = b.half.close()
    await world.clock.advance(1_200)
    await closing
    expect(await asked).toEqual({
      results: [{ node: 'a', value: 1 }],
      missing: [{ node: 'b', reason: 'left' }],
    })
  })

  test('count connections; events reach every other node', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    for (const node of [a, b]) node.join(node.connect('u'), 'r')
    const counted = a.half.count(room('r'))
    const heard: unknown[] = []
    const stop = b.half.on('refresh', (value, from) => heard.push([value, from]))
    void a.half.emit('refresh', { all: true })
    await world.clock.advance(100)
    stop()
    void a.half.emit('refresh', 2)
    await world.clock.advance(100)
    expect((await counted).results.map(({ value }) => value)).toEqual([1, 1])
    expect(heard).toEqual([[{ all: true }, 'a']])
  })
})

describe('presence', () => {
  test('tells each user once, counts devices over nodes, and waits before somebody has left', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    const watcher = a.connect('w')
    a.join(watcher, 'p')
    await world.clock.advance(1_000)
    const [phone, desk] = [a.connect('u'), b.connect('u')]
    a.join(phone, 'p')
    b.join(desk, 'p')
    await world.clock.advance(1_000)
    expect(a.told).toEqual(['join p w', 'join p u'])
    expect(await present(b, 'p')).toEqual(['u', 'w'])
    a.disconnect(phone)
    b.disconnect(desk)
    await world.clock.advance(3_000)
    b.join(b.connect('u'), 'p')
    await world.clock.advance(10_000)
    expect(a.told).toEqual(['join p w', 'join p u'])
    for (const client of [...b.clients.values()]) b.disconnect(client)
    await world.clock.advance(7_000)
    expect(a.told).toEqual(['join p w', 'join p u', 'leave p u'])
  })

  test('is seen by a node that has nobody there, and by one that starts later', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    for (let index = 0; index < 2_500; index++) a.join(a.connect(`u${index}`), 'p')
    await world.clock.advance(100)
    const counted = b.half.presence.count('p')
    await world.clock.advance(100)
    expect(await counted).toEqual({ value: 2_500, missing: [] })
    const c = await world.node('c')
    const late = c.half.presence.count('p')
    await world.clock.advance(100)
    expect(await late).toEqual({ value: 2_500, missing: [] })
    expect(c.told).toEqual([])
  })

  test('of a node that dies is gone within the dead time, without a word from it', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    a.join(a.connect('1'), 'p')
    b.join(b.connect('2'), 'p')
    await world.clock.advance(1_000)
    world.crash(b)
    await world.clock.advance(12_000)
    expect(await present(a, 'p')).toEqual(['1', '2'])
    await world.clock.advance(5_000 + 5_000 + 2_000)
    expect(await present(a, 'p')).toEqual(['1'])
    expect(a.told).toEqual(['join p 1', 'join p 2', 'leave p 2'])
  })

  test('says of whom it may not know everything: who is silent, and all others while the broker is away', async () => {
    world = new World()
    const [a, b, c] = (await world.start(3)) as [WorldNode, WorldNode, WorldNode]
    for (const node of [a, b, c]) node.join(node.connect(node.id), 'p')
    await world.clock.advance(1_000)
    world.crash(c)
    await world.clock.advance(10_000)
    expect(await a.half.presence.count('p')).toEqual({
      value: 3,
      missing: [{ node: 'c', reason: 'suspected' }],
    })
    world.broker.cut(b.made)
    await world.clock.advance(100)
    // At once: nobody is waited for who cannot be heard.
    expect(await b.half.presence.devices('p', 'a')).toEqual({
      value: 1,
      missing: [
        { node: 'a', reason: 'unreachable' },
        { node: 'c', reason: 'unreachable' },
      ],
    })
    expect(await b.half.presence.count('p-other')).toMatchObject({ value: 0, missing: [{}, {}] })
    world.broker.heal(b.made)
    await world.clock.advance(30_000)
    expect(await present(b, 'p')).toEqual(['a', 'b'])
    expect(await b.half.presence.count('p')).toEqual({ value: 2, missing: [] })
  })

  test('waits for a node that takes a new lease meanwhile', async () => {
    world = new World()
    const [a, b] = (await world.start(2)) as [WorldNode, WorldNode]
    for (const node of [a, b]) node.join(node.connect(node.id), 'p')
    await world.clock.advance(1_000)
    world.broker.stop()
    world.broker.forget()
    await world.clock.advance(1_000)
    // What it tells of its users is lost until it has the new one.
    world.lose = (channel) => channel.startsWith('node.')
    world.broker.start()
    world.clock.after(4_000, () => {
      world.lose = () => false
    })
    const early: object[] = []
    let whole = 0
    for (let asked = 0; asked < 1_000; asked++) {
      const before = world.clock.now()
      void a.half.presence.count('p').then(({ missing }) => {
        const took = world.clock.now() - before
        if (missing.length === 0) whole += 1
        if (missing.some(({ reason }) => reason === 'timeout') && took < 5_000) early.push({ missing, took })
      })
      await world.clock.advance(10)
    }
    await world.clock.advance(10_000)
    expect(early).toEqual([])
    expect(whole).toBeGreaterThan(0)
  })

  test.each(Array.from({ length: 16 }, (_, index) => index + 1))(
    'converges whatever happens (seed %i)',
    async (seed) => {
      world = new World()
      expect(await new PresenceSimulation(seed).run()).toEqual([])
    },
    60_000,
  )
})
