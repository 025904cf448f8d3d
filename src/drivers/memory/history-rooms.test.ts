import { expect, test } from 'vitest'
import { seededRandom } from '../../core/balancing/contract/seeded-random.ts'
import type { ClusterDriver, HistoryStore } from '../../hub/cluster.ts'
import { unavailable } from '../../hub/cluster-error.ts'
import { type WorldClient, WorldNode } from '../../hub/contract/hub-world.ts'
import { VirtualClock } from '../../hub/contract/virtual-clock.ts'
import { MemoryBroker } from './memory-broker.ts'

const room = { kind: 'room', name: 'h' } as const

/** A driver whose histories lose some of the reads, before the broker has them or on the way back. */
function losing({ name, connect }: ClusterDriver, clock: VirtualClock, isLost: () => boolean): ClusterDriver {
  return {
    name,
    connect(options) {
      const cluster = connect(options)
      const history = cluster.history as HistoryStore
      const read: HistoryStore['read'] = async (...of) => {
        if (isLost()) throw unavailable('lost')
        const slice = await history.read(...of)
        await new Promise<void>((resolve) => clock.after(1, resolve))
        if (isLost()) throw unavailable('lost')
        return slice
      }
      const append: HistoryStore['append'] = (...of) => history.append(...of)
      const faulty = { start: history.start.bind(history), close: () => history.close(), append, read }
      return { ...cluster, history: faulty }
    },
  }
}

async function build(seed: number, lose: (random: number) => boolean, losesReads = false) {
  const clock = new VirtualClock()
  const random = seededRandom(seed)
  const broker = new MemoryBroker(clock, random)
  const driver = losing(broker.driver, clock, () => losesReads && lose(random()))
  const nodes: WorldNode[] = []
  for (const id of ['a', 'b', 'c']) {
    const hides = (channel: string) => channel.startsWith('room.') && lose(random())
    const node = new WorldNode(id, { driver }, clock, hides)
    nodes.push(node)
    void node.half.start(10_000)
    await clock.advance(100)
  }
  await clock.advance(4_000)
  const close = async () => {
    const closing = Promise.all(nodes.map((node) => node.half.close()))
    await clock.advance(20_000)
    await closing
  }
  return { clock, random, broker, nodes: nodes as [WorldNode, WorldNode, WorldNode], close }
}

test('a message has its place, is delivered once on every node, and who comes back gets what it missed', async () => {
  const { clock, nodes, close } = await build(1, () => false)
  const [a, b] = nodes
  const [one, two] = [a.connect('1'), b.connect('2')]
  const joined = Promise.all([a.recover(one, 'h', null), b.recover(two, 'h', null)])
  await clock.advance(100)
  const [start] = await joined
  expect(start).toMatchObject({ messages: [], complete: true, position: { offset: 0 } })
  const sent = ['x', 'y'].map((text) => a.send(room, text))
  await clock.advance(100)
  expect((await Promise.all(sent)).map((each) => [each?.status, each?.position?.offset])).toEqual([
    ['relayed', 1],
    ['relayed', 2],
  ])
  expect(one.got.map(({ data, offset }) => [data, offset])).toEqual([
    ['x', 1],
    ['y', 2],
  ])
  expect(two.got).toEqual(one.got)
  const { epoch } = one.got[0] as { epoch: string }
  const late = nodes[2].connect('3')
  const recovery = nodes[2].recover(late, 'h', { epoch, offset: 1 })
  await clock.advance(100)
  expect(await recovery).toMatchObject({ complete: true, messages: [{ data: 'y', position: { offset: 2 } }] })
  const strange = nodes[2].recover(nodes[2].connect('4'), 'h', { epoch: 'another', offset: 1 })
  await clock.advance(100)
  expect(await strange).toMatchObject({ complete: false, position: { offset: 2 } })
  for (let index = 0; index < 60; index++) void b.send(room, `${index}`)
  await clock.advance(100)
  const tooLate = nodes[2].recover(nodes[2].connect('5'), 'h', { epoch, offset: 1 })
  await clock.advance(100)
  const told = await tooLate
  expect([told?.complete, told?.messages.length, told?.position?.offset]).toEqual([false, 30, 62])
  await close()
})

test('what cannot be kept while the broker is away is delivered here, and said to be degraded', async () => {
  const { clock, nodes, broker, close } = await build(1, () => false)
  const [a, b] = nodes
  const [one, two] = [a.connect('1'), b.connect('2')]
  void a.recover(one, 'h', null)
  void b.recover(two, 'h', null)
  await clock.advance(100)
  broker.stop()
  await clock.advance(10)
  const sent = a.send(room, 'x')
  await clock.advance(10)
  expect([await sent, one.got, two.got]).toEqual([
    { status: 'degraded', position: null },
    [{ data: 'x', epoch: '', offset: 0 }],
    [],
  ])
  broker.start()
  await clock.advance(10_000)
  await close()
})

test('a node that is not configured to keep a room gets its messages as those of any other', async () => {
  const clock = new VirtualClock()
  const broker = new MemoryBroker(clock, seededRandom(1))
  const old = new WorldNode('a', broker, clock, () => false, { keeps: () => false })
  const young = new WorldNode('b', broker, clock)
  for (const node of [old, young]) void node.half.start(10_000)
  await clock.advance(4_000)
  const [one, two] = [old.connect('1'), young.connect('2')]
  old.join(one, 'h')
  young.join(two, 'h')
  await clock.advance(100)
  void young.send(room, 'kept')
  await clock.advance(100)
  void old.send(room, 'not kept')
  await clock.advance(100)
  expect(one.got.map(({ data, offset }) => [data, offset])).toEqual([
    ['kept', 0],
    ['not kept', 0],
  ])
  expect(two.got.map(({ data, offset }) => [data, offset])).toEqual([
    ['kept', 1],
    ['not kept', 0],
  ])
  // What says that it has a place and does not is not taken.
  const { refused } = old.half.stats()
  void young.cluster.bus.publish('room.h', new Uint8Array([0x48, 200, 1]))
  void young.cluster.bus.publish('room.h', new Uint8Array([0x48, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x48, 0]))
  await clock.advance(100)
  expect([old.half.stats().refused - refused, one.got.length]).toEqual([2, 2])
  const closing = Promise.all([old, young].map((node) => node.half.close()))
  await clock.advance(20_000)
  await closing
})

test('recoveries that are given up before there was a broker leave nothing behind', async () => {
  const clock = new VirtualClock()
  const broker = new MemoryBroker(clock, seededRandom(1))
  broker.stop()
  const node = new WorldNode('a', broker, clock)
  void node.half.start(10_000)
  await clock.advance(60_000)
  const { channels } = node.half.stats()
  const client = node.connect('1')
  let resolved = 0
  for (let index = 0; index < 10_000; index++) {
    const controller = new AbortController()
    void node.recover(client, `h${index % 50}`, null, controller.signal).then(() => resolved++)
    if (index % 7 === 0) await clock.advance(index % 3)
    controller.abort()
  }
  await clock.advance(2_000)
  const { historyRooms, channels: after } = node.half.stats()
  expect([resolved, historyRooms, after, client.rooms.size]).toEqual([10_000, 0, channels + 1, 0])
  broker.start()
  const joined = node.recover(client, 'h', null)
  await clock.advance(10_000)
  expect(await joined).toMatchObject({ complete: true, position: { offset: 0 } })
  const closing = node.half.close()
  await clock.advance(20_000)
  await closing
})

test.each(Array.from({ length: 16 }, (_, index) => index + 1))(
  'no hole that is not told, nothing twice, whatever is lost (seed %i)',
  async (seed) => {
    const isLost = (value: number) => value < 0.1
    const { clock, random, broker, nodes, close } = await build(seed, isLost, seed % 2 === 0)
    const clients: { node: WorldNode; client: WorldClient; incomplete: boolean }[] = []
    const gaveUp: WorldClient[] = []
    let sent = 0
    const positions = new Map<string, string>()
    for (let step = 0; step < 250; step++) {
      const node = nodes[Math.floor(random() * 3)] as WorldNode
      const dice = random()
      if (dice < 0.6) {
        for (let index = random() * 5; index > 0; index--) {
          const text = `m${++sent}`
          void node.send(room, text)?.then(({ position }) => {
            if (position !== null) positions.set(`${position.epoch} ${position.offset}`, text)
          })
        }
      } else if (dice < 0.7) {
        const entry = { node, client: node.connect(`u${step}`), incomplete: false }
        clients.push(entry)
        void node.recover(entry.client, 'h', null)
      } else if (dice < 0.85 && clients.length > 0) {
        // Somebody comes back on another node, with the position it had.
        const index = Math.floor(random() * clients.length)
        const before = clients[index] as (typeof clients)[number]
        const last = before.client.got.findLast(({ offset }) => offset > 0)
        before.node.disconnect(before.client)
        if (last !== undefined) {
          const entry = { node, client: node.connect(before.client.user), incomplete: false }
          clients[index] = entry
          entry.client.got.push(last)
          const since = { epoch: last.epoch, offset: last.offset }
          if (random() < 0.6) {
            // It gives up the first time, sooner or later.
            const controller = new AbortController()
            const impatient = node.connect(`i${step}`)
            void node.recover(impatient, 'h', since, controller.signal)
            await clock.advance(random() < 0.5 ? 0 : random() * 4)
            controller.abort()
            if (impatient.rooms.size === 0) gaveUp.push(impatient)
          }
          void node.recover(entry.client, 'h', since).then((recovery) => {
            entry.incomplete = recovery?.complete !== true
          })
        }
      } else if (dice < 0.88) broker.kick(node.made)
      else if (dice < 0.9) {
        broker.cut(node.made)
        await clock.advance(random() * 8_000)
        broker.heal(node.made)
      } else if (dice < 0.91) {
        broker.stop()
        if (random() < 0.3) broker.forget()
        await clock.advance(random() * 5_000)
        broker.start()
      }
      await clock.advance(random() < 0.5 ? 0 : random() * 300)
    }
    await clock.advance(60_000)
    void nodes[0].send(room, 'last')
    // A last message that goes unheard is found within a minute.
    await clock.advance(65_000)
    let checked = 0
    for (const { node, client, incomplete } of clients) {
      if (!client.open) continue
      const placed = client.got.filter(({ offset }) => offset > 0)
      for (const [index, message] of placed.entries()) {
        expect(positions.get(`${message.epoch} ${message.offset}`) ?? message.data).toBe(message.data)
        const before = placed[index - 1]
        if (before === undefined) continue
        if (before.epoch === message.epoch) expect(message.offset).toBeGreaterThan(before.offset)
        const contiguous = before.epoch === message.epoch && message.offset === before.offset + 1
        checked += 1
        if (contiguous || (index === 1 && incomplete)) continue
        const told = node.gaps.some((gap) => gap.endsWith(` ${message.epoch}:${message.offset}`))
        expect([told, before, message, node.gaps]).toEqual([true, before, message, node.gaps])
      }
      expect(placed.at(-1)?.data).toBe('last')
    }
    expect(checked).toBeGreaterThan(20)
    expect(gaveUp.length).toBeGreaterThan(0)
    expect(gaveUp.flatMap(({ rooms, got }) => [...rooms, ...got])).toEqual([])
    await close()
  },
  30_000,
)
