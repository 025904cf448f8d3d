import { expect, test } from 'vitest'
import type { HistorySlice, HistoryStore, Position } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { VirtualClock } from '../contract/virtual-clock.ts'
import { historyEnvelope } from '../history-envelope.ts'
import { HistoryLog } from '../history-log.ts'
import type { Order, Recovery } from '../local.ts'
import { roomChannel } from './channels.ts'
import { encode } from './envelope.ts'
import type { Gap } from './feed.ts'
import { HistoryRooms } from './history-rooms.ts'
import { Interest } from './interest.ts'

const limits = { size: 1_000, age: 60_000 }
const never = new AbortController().signal

function message(text: string): Extract<Order, { do: 'send' }> {
  return { do: 'send', data: text, except: null, key: null, position: null }
}

/** What one node says to all others, as it is kept. */
function kept(text: string): Uint8Array {
  const to = { kind: 'room', name: 'lobby' } as const
  return encode(
    { id: 'b', incarnation: 1, session: 0 },
    { kind: 'orders', orders: [{ to, order: message(text) }] },
  )
}

/** Rooms over a store and a bus of the test's own. */
function rig(store: Partial<HistoryStore>, subscribe = () => Promise.resolve()) {
  const clock = new VirtualClock()
  const subscriptions = new Set<string>()
  const bus = {
    subscribe(channel: string) {
      subscriptions.add(channel)
      return subscribe()
    },
    unsubscribe: (channel: string) => void subscriptions.delete(channel),
  }
  const interest = new Interest(bus, clock, 1_000)
  const applied: Order[] = []
  const gaps: Gap[] = []
  const rooms = new HistoryRooms({
    clock,
    random: () => 0.5,
    store: { start: async () => {}, close: async () => {}, append: away, read: away, ...store },
    interest,
    local: { apply: (_to, order) => applied.push(order) },
    sender: () => ({ id: 'a', incarnation: 1, session: 0 }),
    most: 500,
    limits: () => limits,
    gap: (gap) => gaps.push(gap),
  })
  return { clock, rooms, interest, subscriptions, applied, gaps }
}

async function away(): Promise<never> {
  throw unavailable('away')
}

/** Ten thousand that come to a few rooms and give up; a second later there must be no trace of them. */
async function giveUp(made: ReturnType<typeof rig>, since: Position | null) {
  const { clock, rooms, interest, subscriptions } = made
  const timers = clock.size
  let admitted = 0
  let resolved = 0
  const signals: AbortSignal[] = []
  for (let round = 0; round < 100; round++) {
    const controllers = Array.from({ length: 100 }, () => new AbortController())
    for (const [index, { signal }] of controllers.entries()) {
      signals.push(signal)
      const recovery = rooms.recover(`room${index % 30}`, since, () => admitted++, signal)
      void recovery.then(() => resolved++)
    }
    await clock.advance(round % 3)
    expect(rooms.size).toBe(30)
    for (const controller of controllers) controller.abort()
    await clock.settle()
    expect([resolved, rooms.size, rooms.waiting]).toEqual([(round + 1) * 100, 0, 0])
  }
  await clock.advance(1_100)
  // The look at quiet rooms is the only one left, and it is not set again.
  await clock.advance(30_000)
  expect([interest.size, subscriptions.size, clock.size, admitted]).toEqual([0, 0, timers, 0])
}

test('recoveries that are given up while there is no broker leave nothing behind', async () => {
  await giveUp(
    rig({}, () => new Promise(() => {})),
    null,
  )
})

test('recoveries that are given up while the history does not answer leave nothing behind', async () => {
  let answers: (() => void)[] = []
  const slice: HistorySlice = { top: { epoch: 'e', offset: 7 }, messages: [], complete: true }
  const made = rig({ read: () => new Promise((resolve) => answers.push(() => resolve(slice))) })
  await giveUp(made, { epoch: 'e', offset: 5 })
  // What was asked for keeps its turn; whoever comes then still gets in.
  expect(answers.length).toBe(16)
  let recovery: Recovery | null = null
  const found = made.rooms.recover(
    'lobby',
    null,
    (each) => {
      recovery = each
    },
    never,
  )
  for (let round = 0; round < 5; round++) {
    const those = answers
    answers = []
    for (const answer of those) answer()
    await made.clock.settle()
  }
  await found
  expect(recovery).toMatchObject({ complete: true, position: { epoch: 'e', offset: 7 } })
})

test('one that gives up takes nobody else with it', async () => {
  const log = new HistoryLog(() => 0)
  let open = () => {}
  const made = rig(
    { read: async (...of) => log.read(...of) },
    () => new Promise((resolve) => (open = resolve)),
  )
  log.append(roomChannel('lobby'), kept('one'), limits)
  const controller = new AbortController()
  const told: (Recovery | string)[] = []
  const first = made.rooms.recover('lobby', null, () => told.push('never'), controller.signal)
  const second = made.rooms.recover('lobby', null, (recovery) => told.push(recovery), never)
  await made.clock.settle()
  controller.abort()
  await first
  expect([made.rooms.size, told]).toEqual([1, []])
  open()
  await second
  expect(told).toMatchObject([{ complete: true, position: { offset: 1 } }])
})

test('whoever is coming in when the node closes is let in without anything, and so is who comes later', async () => {
  const { rooms, clock } = rig({ read: () => new Promise(() => {}) }, () => new Promise(() => {}))
  const told: Recovery[] = []
  const before = rooms.recover('lobby', null, (recovery) => told.push(recovery), never)
  const reading = rooms.read('lobby', null, 10).catch(({ code }) => code)
  await clock.settle()
  rooms.close()
  await before
  await rooms.recover('lobby', null, (recovery) => told.push(recovery), never)
  rooms.occupied('lobby')
  const nothing = { position: null, messages: [], complete: false }
  expect([told, await reading, rooms.size, clock.size]).toEqual([
    [nothing, nothing],
    'CLUSTER_UNAVAILABLE',
    0,
    0,
  ])
})

test('what is too much for the broker is delivered here alone, and said to be degraded', async () => {
  const appends: (() => void)[] = []
  let offset = 0
  const made = rig({
    append: () => new Promise((resolve) => appends.push(() => resolve({ epoch: 'e', offset: ++offset }))),
  })
  const text = 'x'.repeat(1_000_000)
  const sent = Array.from({ length: 30 }, () => made.rooms.send('lobby', message(text)))
  await made.clock.settle()
  expect([appends.length, made.applied.length]).toEqual([16, 14])
  expect((await Promise.all(sent.slice(16))).every(({ status }) => status === 'degraded')).toBe(true)
  for (const append of appends.splice(0)) append()
  expect((await Promise.all(sent.slice(0, 16))).map(({ position }) => position?.offset)).toHaveLength(16)
  // There is room again.
  const next = made.rooms.send('lobby', message(text))
  appends[0]?.()
  expect(await next).toMatchObject({ status: 'relayed', position: { offset: 17 } })
})

test('a message that nobody here understands is a gap for members, and for those who come back', async () => {
  const log = new HistoryLog(() => 0)
  const { rooms, clock, applied, gaps } = rig({ read: async (...of) => log.read(...of) })
  rooms.occupied('lobby')
  await clock.settle()
  const send = (payload: Uint8Array) => {
    const position = log.append(roomChannel('lobby'), payload, limits)
    rooms.hear('lobby', historyEnvelope(position, payload))
    return position
  }
  const { epoch } = send(kept('one'))
  send(new Uint8Array([99, 1, 2]))
  send(kept('three'))
  const texts = () => applied.map((order) => (order.do === 'send' ? order.data : order.do))
  expect(texts()).toEqual(['one', 'three'])
  expect(gaps).toEqual([{ room: 'lobby', after: { epoch, offset: 1 }, before: { epoch, offset: 3 } }])
  expect(rooms.counts).toMatchObject({ gaps: 1, refused: 1 })
  const told: Recovery[] = []
  await rooms.recover('lobby', { epoch, offset: 0 }, (recovery) => told.push(recovery), never)
  expect(told).toEqual([
    {
      complete: false,
      position: { epoch, offset: 3 },
      messages: [{ data: 'three', position: { epoch, offset: 3 } }],
    },
  ])
  await rooms.recover('lobby', { epoch, offset: 2 }, (recovery) => told.push(recovery), never)
  expect(told[1]).toMatchObject({ complete: true, messages: [{ data: 'three' }] })
})

test('quiet rooms are compared with the history in turn, each twice a minute', async () => {
  const log = new HistoryLog(() => 0)
  const reads = new Map<string, number>()
  const read = async (channel: string, since: Position | null, limit: number) => {
    reads.set(channel, (reads.get(channel) ?? 0) + 1)
    return log.read(channel, since, limit)
  }
  const { clock, rooms } = rig({ read })
  for (let at = 0; at < 300; at++) rooms.occupied(`room ${at}`)
  await clock.advance(60_000)
  reads.clear()
  let most = 0
  for (let second = 0; second < 60; second++) {
    const before = [...reads.values()].reduce((sum, count) => sum + count, 0)
    await clock.advance(1_000)
    most = Math.max(most, [...reads.values()].reduce((sum, count) => sum + count, 0) - before)
  }
  expect([reads.size, Math.min(...reads.values()), Math.max(...reads.values())]).toEqual([300, 2, 2])
  expect(most).toBe(10)
  rooms.close()
})
