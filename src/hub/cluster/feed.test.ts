import { expect, test } from 'vitest'
import { seededRandom } from '../../core/balancing/contract/seeded-random.ts'
import type { HistorySlice, Position } from '../cluster.ts'
import { unavailable } from '../cluster-error.ts'
import { FeedWorld } from '../contract/feed-world.ts'
import { VirtualClock } from '../contract/virtual-clock.ts'
import { HistoryLog } from '../history-log.ts'
import { Feed, type FeedRecovery, type Gap } from './feed.ts'

const limits = { size: 5_000, age: 60_000 }

/** A feed over a history, whose reads are answered when the test says so. */
function rig() {
  const clock = new VirtualClock()
  const log = new HistoryLog(() => 0)
  const delivered: number[] = []
  const gaps: Gap[] = []
  const reads: { well(): void; badly(): void }[] = []
  let readings = 0
  const feed: Feed = new Feed({
    clock,
    random: () => 0,
    room: 'lobby',
    read: (since, limit) => {
      readings += 1
      if (readings > made.mostReadings) return new Promise<HistorySlice>(() => {})
      const slice = log.read('lobby', since, limit)
      return new Promise((resolve, reject) =>
        reads.push({ well: () => resolve(slice), badly: () => reject(unavailable('away')) }),
      )
    },
    deliver: ({ offset }) => {
      delivered.push(offset)
      if (offset === made.closeAt) feed.close()
    },
    gap: (gap) => gaps.push(gap),
    healed: () => {},
  })
  const made = {
    clock,
    feed,
    delivered,
    gaps,
    /** More are not answered. */
    mostReadings: 100,
    /** Delivering this one closes the feed. */
    closeAt: 0,
    append: () => log.append('lobby', new Uint8Array(), limits),
    readings: () => readings,
    /** Answers the reads that were begun so far, or fails them. */
    async answer(how: 'well' | 'badly' = 'well') {
      for (const read of reads.splice(0)) read[how]()
      await clock.settle()
    },
  }
  return made
}

async function live() {
  const made = rig()
  const { epoch } = made.append()
  made.feed.open()
  made.feed.start()
  await made.answer()
  await made.answer()
  const place = (offset: number, of = epoch): Position => ({ epoch: of, offset })
  const hear = (offset: number, of = epoch) => made.feed.receive(place(offset, of), new Uint8Array())
  const appended = (offset: number) => made.feed.appended(place(offset), new Uint8Array())
  return Object.assign(made, { hear, appended, place })
}

const never = new AbortController().signal

test('delivers every message once when one is missing between those that came while it healed', async () => {
  const { append, hear, answer, delivered, gaps, feed } = await live()
  feed.heal()
  // More than one read takes.
  for (let count = 0; count < 700; count++) append()
  hear(2)
  hear(4)
  for (let round = 0; round < 8; round++) await answer()
  expect(delivered).toEqual(Array.from({ length: 700 }, (_, index) => index + 2))
  expect(gaps).toEqual([])
})

test.each([
  ['of an epoch that the history does not have', 7, 'another'],
  ['that the history does not have', 1_000, undefined],
])('goes on after a message %s, and does not read for ever', async (_name, offset, epoch) => {
  const { append, hear, answer, delivered, readings } = await live()
  hear(offset, epoch)
  for (let round = 0; round < 8; round++) await answer()
  expect(readings()).toBeLessThan(5)
  append()
  hear(2)
  expect(delivered).toEqual([2])
})

test('delivers what is sent after it was opened, however late the channel is heard', async () => {
  const { feed, append, answer, delivered, gaps } = rig()
  append()
  feed.open()
  await answer()
  append()
  append()
  feed.start()
  await answer()
  expect([delivered, gaps]).toEqual([[2, 3], []])
})

test('delivers a message that is heard after the history was read with it', async () => {
  const { feed, append, answer, delivered, gaps } = rig()
  feed.open()
  const { epoch } = append()
  feed.start()
  await answer()
  await answer()
  feed.receive({ epoch, offset: 1 }, new Uint8Array())
  append()
  feed.receive({ epoch, offset: 2 }, new Uint8Array())
  expect([delivered, gaps]).toEqual([[1, 2], []])
})

test('reads again what may have been missed while it was reading', async () => {
  const { feed, append, answer, delivered } = await live()
  feed.heal()
  for (let count = 0; count < 3; count++) append()
  // The bus was away, and is back.
  feed.heal()
  await answer()
  await answer()
  expect(delivered).toEqual([2, 3, 4])
})

test('reads again when more was heard than it holds while it was reading', async () => {
  const { feed, append, answer, hear, delivered } = await live()
  feed.heal()
  for (let count = 0; count < 1_500; count++) append()
  for (let offset = 2; offset <= 1_501; offset++) hear(offset)
  for (let round = 0; round < 8; round++) await answer()
  expect(delivered).toEqual(Array.from({ length: 1_500 }, (_, index) => index + 2))
})

test('an own message ahead of others is delivered behind them, and read for only when they do not come', async () => {
  const { clock, append, answer, appended, hear, delivered, readings } = await live()
  for (let count = 0; count < 5; count++) append()
  const before = readings()
  appended(3)
  await clock.advance(50)
  hear(2)
  hear(3)
  hear(3)
  appended(5)
  await clock.advance(60)
  hear(4)
  hear(5)
  await clock.advance(300)
  expect([delivered, readings()]).toEqual([[2, 3, 4, 5], before])
  append()
  appended(7)
  await clock.advance(110)
  await answer()
  expect([delivered, readings()]).toEqual([[2, 3, 4, 5, 6, 7], before + 1])
})

test('delivers nothing any more once it is closed, not even what it has read', async () => {
  const made = await live()
  made.closeAt = 3
  for (let count = 0; count < 5; count++) made.append()
  made.feed.heal()
  await made.answer()
  made.hear(4)
  made.hear(7)
  expect([made.delivered, made.readings()]).toEqual([[2, 3], 3])
})

test('whoever comes back while others do, and messages come all the time, gets everything', async () => {
  const made = await live()
  const { feed, append, hear, answer, place } = made
  made.mostReadings = 3_010
  let top = 1
  const more = () => {
    append()
    hear(++top)
  }
  for (let count = 0; count < 10; count++) more()
  let whole = 0
  let coming = 0
  for (let turn = 0; turn < 3_000; turn++) {
    coming += 1
    const recovery = feed.recover(
      place(top - 5),
      500,
      ({ complete }) => {
        if (complete) whole += 1
      },
      never,
    )
    void recovery.then(() => {
      coming -= 1
    })
    // Somebody is coming in at every moment.
    if (turn % 50 === 49) await answer()
    await Promise.resolve()
    more()
    if (turn === 2_500) expect(coming).toBeGreaterThan(0)
  }
  await answer()
  expect(coming).toBe(0)
  expect(whole).toBe(3_000)
})

test('who comes back while a read fails is sent the last of what there is, and nothing that it has', async () => {
  const { clock, append, hear, answer, feed, place } = await live()
  for (let offset = 2; offset <= 6; offset++) {
    append()
    hear(offset)
  }
  const admitted: FeedRecovery[] = []
  for (const most of [500, 1]) {
    void feed.recover(place(4), most, (recovery) => admitted.push(recovery), never)
  }
  await clock.settle()
  await answer('badly')
  await answer()
  expect(admitted.map(({ messages, complete }) => [messages.map(({ offset }) => offset), complete])).toEqual([
    [[5, 6], true],
    [[6], false],
  ])
})

test('asks a history that is away less and less often, and at once when the broker is back', async () => {
  const clock = new VirtualClock()
  const reads: number[] = []
  const random = seededRandom(7)
  const feed = new Feed({
    clock,
    random,
    room: 'lobby',
    read: async () => {
      reads.push(clock.now())
      throw unavailable('away')
    },
    deliver: () => {},
    gap: () => {},
    healed: () => {},
  })
  feed.open()
  feed.start()
  await clock.advance(300_000)
  const waits = reads.slice(1).map((at, index) => at - (reads[index] as number))
  expect(reads.length).toBeGreaterThan(60)
  expect(reads.length).toBeLessThan(200)
  expect(Math.max(...waits)).toBeGreaterThan(4_000)
  expect(Math.max(...waits)).toBeLessThan(5_500)
  // Rooms that lost it together do not ask together.
  expect(new Set(waits.map(Math.round)).size).toBeGreaterThan(waits.length / 2)
  const before = reads.length
  feed.heal()
  await clock.settle()
  expect(reads.length).toBe(before + 1)
  feed.close()
  await clock.advance(60_000)
  expect([reads.length, clock.size]).toEqual([before + 1, 0])
})

test('many with a place of another epoch cost one read, not one each', async () => {
  const { feed, answer, readings } = await live()
  const before = readings()
  let admitted = 0
  for (let count = 0; count < 20; count++) {
    void feed.recover({ epoch: 'another', offset: 5 }, 0, () => admitted++, never)
  }
  await answer()
  await answer()
  await answer()
  // The last of what there is, for each.
  expect([admitted, readings() - before]).toEqual([20, 1 + 20])
})

/** One step of a run. */
async function step(world: FeedWorld, random: () => number): Promise<void> {
  const dice = random()
  if (dice < 0.5) for (let count = random() * 6; count > 0; count--) world.append(random() < 0.4)
  else if (dice < 0.52) for (let count = random() * 1_500; count > 0; count--) world.append(random() < 0.1)
  else if (dice < 0.75) for (let count = random() * 4; count > 0; count--) world.come(world.somePlace())
  else if (dice < 0.85) await world.giveUp()
  else if (dice < 0.88) world.feed.heal()
  else if (dice < 0.9) world.feed.verify()
  else if (dice < 0.91) world.forget()
  else if (dice < 0.92) world.reopen()
  else if (dice < 0.95) {
    world.busDown += 1
    world.clock.after(random() * 200, () => {
      world.busDown -= 1
      world.feed.heal()
    })
  } else if (dice < 0.98) {
    world.storeDown += 1
    world.clock.after(random() * 1_000, () => {
      world.storeDown -= 1
    })
  }
  await world.clock.advance(random() < 0.4 ? 0 : random() * (random() < 0.1 ? 2_000 : 20))
}

test.each(Array.from({ length: 30 }, (_, index) => index + 1))(
  'a model of all messages agrees with what is delivered, told and let in (seed %i)',
  async (seed) => {
    const random = seededRandom(seed)
    const heavy = seed % 10 === 0
    const kept = seed % 4 === 1 ? 2_000 : 25
    const world = new FeedWorld({
      random,
      kept,
      bytes: heavy ? 300_000 : 0,
      most: seed % 3 === 0 ? 5 : 3_000,
    })
    world.deaf = seed % 2 === 0 ? 0.1 : 0
    world.broken = seed % 3 === 0 ? 0.2 : 0
    world.shuffled = seed % 7 === 0
    for (let count = 0; count < 300; count++) await step(world, random)
    world.deaf = 0
    world.broken = 0
    await world.clock.advance(10_000)
    // What is missed while it reads already, and what is more than it holds meanwhile, is read as well.
    world.feed.heal()
    await world.clock.advance(random() * 20)
    if (seed % 2 === 0) world.busDown += 1
    for (let count = seed % 2 === 0 ? 3 : 1_500; count > 0; count--) world.append(false)
    if (seed % 2 === 0) world.busDown -= 1
    if (seed % 2 === 0) world.feed.heal()
    await world.clock.advance(10_000)
    expect(world.wrong).toEqual([])
    expect([world.coming, world.feed.busy, world.feed.waiting, world.place]).toEqual([0, false, 0, world.top])
    const { reads } = world.counts
    await world.clock.advance(60_000)
    expect([world.counts.reads, world.clock.size]).toEqual([reads, 0])
    const { delivered, whole, part, cancelled } = world.counts
    expect(Math.min(delivered, whole, part, cancelled)).toBeGreaterThan(0)
  },
  30_000,
)
