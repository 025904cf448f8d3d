import { expect, test } from 'vitest'
import type { RoomSnapshot, Users } from './envelope.ts'
import { PresenceCopy } from './presence-copy.ts'

function rig() {
  const present = new Map<string, number>()
  const copy = new PresenceCopy(1, (user, by) => {
    const devices = (present.get(user) ?? 0) + by
    if (devices === 0) present.delete(user)
    else present.set(user, devices)
  })
  const delta = (from: number, to: number, ...users: [string, number][]) =>
    copy.applyDelta({ kind: 'delta', room: 'p', from, to, users })
  const snapshot = (version: number, users: Users, part = 0, parts = 1) =>
    copy.applySnapshot({ room: 'p', version, part, parts, users } satisfies RoomSnapshot)
  return { copy, present, delta, snapshot }
}

test('catches up, however many changes there are while a snapshot is on its way', () => {
  const { copy, present, delta, snapshot } = rig()
  for (let version = 1_000; version < 6_000; version++)
    delta(version, version + 1, [`u${version % 7}`, version % 3])
  snapshot(3_000, [
    ['u0', 1],
    ['was there', 2],
  ])
  expect([copy.known, copy.version]).toEqual([true, 6_000])
  const last = new Map<string, number>([['was there', 2]])
  for (let version = 3_000; version < 6_000; version++) last.set(`u${version % 7}`, version % 3)
  for (const [user, devices] of last) if (devices === 0) last.delete(user)
  expect(new Map([...present].sort())).toEqual(new Map([...last].sort()))
})

test('asks again when a change between those that wait was lost', () => {
  const { copy, present, delta, snapshot } = rig()
  delta(1, 2, ['a', 1])
  delta(3, 4, ['b', 1])
  snapshot(1, [])
  expect([copy.known, copy.version]).toEqual([false, 2])
  snapshot(3, [['c', 1]])
  expect([copy.known, copy.version, [...present.keys()].sort()]).toEqual([true, 4, ['b', 'c']])
})

test('takes the next whole snapshot after one that lost a part', () => {
  const { copy, present, snapshot } = rig()
  snapshot(5, [['a', 1]], 0, 2)
  snapshot(5, [['a', 1]], 0, 2)
  snapshot(5, [['b', 1]], 1, 2)
  expect([copy.known, [...present.keys()]]).toEqual([true, ['a', 'b']])
})
