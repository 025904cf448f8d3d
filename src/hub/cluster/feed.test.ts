import { expect, test } from 'vitest'
import type { HistorySlice, Position } from '../cluster.ts'
import { HistoryLog } from '../history-log.ts'
import { Feed, type FeedRecovery, type Gap } from './feed.ts'

const limits = { size: 1_000, age: 60_000 }

/** A feed over a history, whose reads are answered when the test says so. */
function rig() {
  const log = new HistoryLog(() => 0)
  const delivered: number[] = []
  const gaps: Gap[] = []
  const reads: (() => void)[] = []
  const failures: (() => void)[] = []
  let readings = 0
  const feed = new Feed({
    clock: { now: () => 0, after: () => () => {}, soon: queueMicrotask },
    room: 'lobby',
    read: (since, limit) => {
      readings += 1
      if (readings > 100) return new Promise<HistorySlice>(() => {})
      const slice = log.read('lobby', since, limit)
      return new Promise((resolve, reject) => {
        reads.push(() => resolve(slice))
        failures.push(() => reject(new Error('the broker is away')))
      })
    },
    deliver: ({ offset }) => delivered.push(offset),
    gap: (gap) => gaps.push(gap),
    healed: () => {},
  })
  return {
    feed,
    delivered,
    gaps,
    append: () => log.append('lobby', new Uint8Array(), limits),
    readings: () => readings,
    /** Answers the reads that were begun so far, or fails them. */
    async answer(how: 'well' | 'badly' = 'well') {
      for (const read of how === 'well' ? reads : failures) read()
      reads.splice(0)
      failures.splice(0)
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    },
  }
}

async function live() {
  const made = rig()
  const { epoch } = made.append()
  made.feed.start()
  await made.answer()
  const hear = (offset: number, of = epoch) =>
    made.feed.receive({ epoch: of, offset } satisfies Position, new Uint8Array())
  return { ...made, hear }
}

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

test('who comes back while a read fails is sent the last of what there is, and nothing that it has', async () => {
  const { append, hear, answer, feed } = await live()
  for (let offset = 2; offset <= 6; offset++) {
    append()
    hear(offset)
  }
  const { epoch } = feed.position as Position
  const admitted: FeedRecovery[] = []
  void feed.recover({ epoch, offset: 4 }, 500, (recovery) => admitted.push(recovery))
  await answer('badly')
  await answer()
  expect(admitted.map(({ messages, complete }) => [messages.map(({ offset }) => offset), complete])).toEqual([
    [[5, 6], false],
  ])
})
