import { expect, test } from 'vitest'
import type { RoomSnapshot } from './envelope.ts'
import { relayed } from './relay.ts'
import { SnapshotAnswers } from './snapshot-answers.ts'
import { SnapshotRequests } from './snapshot-requests.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

function answers(users: (room: string) => number[]) {
  const said: { node: string; rooms: readonly RoomSnapshot[] }[] = []
  const taken: (() => void)[] = []
  let status: 'relayed' | 'degraded' = 'relayed'
  const made = new SnapshotAnswers(
    (room) =>
      users(room).map((count, part, parts) => ({
        room,
        version: 1,
        part,
        parts: parts.length,
        users: Array.from({ length: count }, (_, user) => [`${user}`, 1] as const),
      })),
    (node, rooms) => {
      said.push({ node, rooms })
      return new Promise((resolve) => taken.push(() => resolve(relayed(status))))
    },
  )
  return {
    answers: made,
    said,
    fail: () => {
      status = 'degraded'
    },
    /** The broker takes what it was given. */
    async take() {
      for (const each of taken.splice(0)) each()
      await turn()
    },
  }
}

test('a room of any size is told part by part, the next when the broker has the last', async () => {
  const { answers: made, said, take } = answers(() => [1_000, 1_000, 1_000])
  made.asked('a', ['p'])
  for (let part = 0; part < 3; part++) {
    expect(said.map(({ rooms }) => rooms[0]?.part)).toEqual([0, 1, 2].slice(0, part + 1))
    await take()
  }
  expect(said.length).toBe(3)
})

test('small rooms are told together', async () => {
  const { answers: made, said, take } = answers(() => [3])
  const rooms = Array.from({ length: 200 }, (_, index) => `p${index}`)
  made.asked('a', rooms)
  await take()
  expect(said.length).toBe(1)
  expect(said[0]?.rooms.map(({ room }) => room)).toEqual(rooms)
})

test('who asks for a room that waits to be told is not told twice, and gets what it asks for meanwhile', async () => {
  const { answers: made, said, take } = answers(() => [1_000])
  made.asked('a', ['p1', 'p2', 'p3', 'p1'])
  for (let index = 0; index < 5; index++) made.asked('a', ['p3'])
  while (said.length < 3) await take()
  made.asked('a', ['p4'])
  await take()
  await take()
  expect(said.flatMap(({ rooms }) => rooms.map(({ room }) => room))).toEqual(['p1', 'p2', 'p3', 'p4'])
})

test('one who asks for more than it may is told of so many', async () => {
  const { answers: made, said, take } = answers(() => [1])
  made.asked(
    'a',
    Array.from({ length: 100_000 }, (_, index) => `${index}`),
  )
  await take()
  await take()
  expect(said.flatMap(({ rooms }) => rooms).length).toBeLessThanOrEqual(257)
})

test('what the broker did not take ends the answer; several are answered at a time', async () => {
  const { answers: made, said, take, fail } = answers(() => [1_000, 1_000])
  for (let node = 0; node < 20; node++) made.asked(`n${node}`, ['p'])
  expect(said.length).toBe(8)
  fail()
  await take()
  expect(said.map(({ node }) => node)).toEqual(Array.from({ length: 16 }, (_, node) => `n${node}`))
})

test('rooms are asked for in batches, the next when the last is there, and again with more and more time', () => {
  const asked: (readonly string[])[] = []
  const requests = new SnapshotRequests(
    (_node, rooms) => asked.push(rooms),
    () => 0.5,
  )
  for (let room = 0; room < 600; room++) requests.want('b', `p${room}`)
  requests.run(0)
  requests.run(1)
  expect(asked.map(({ length }) => length)).toEqual([256])
  const ready = (asked[0] ?? []).map((room) => requests.done('b', room))
  expect(ready.indexOf(true)).toBe(255)
  requests.run(2)
  expect(asked.map(({ length }) => length)).toEqual([256, 256])
  const times: number[] = []
  for (let now = 3; now < 60_000; now++) {
    const before = asked.length
    requests.run(now)
    if (asked.length > before) times.push(now)
  }
  expect(times).toEqual([3_002, 9_002, 21_002, 33_002, 45_002, 57_002])
})

test('what is on its way is not asked for again', () => {
  let asked = 0
  const requests = new SnapshotRequests(
    () => asked++,
    () => 0.5,
  )
  requests.want('b', 'p')
  for (let now = 0; now < 60_000; now += 1_000) {
    requests.run(now)
    requests.progress('b', now)
  }
  expect(asked).toBe(1)
  requests.restart()
  requests.run(60_000)
  expect(asked).toBe(2)
  requests.done('b', 'p')
  expect(requests.pending).toBe(false)
})
