import { expect, test } from 'vitest'
import { RoomRules } from './room-rules.ts'

const history = { size: 10, age: 1000 }
const rules = new RoomRules({
  rooms: {
    'chat-*': { presence: true, history },
    'chat-quiet': { presence: false, history: false },
    'a.b*c': { presence: true, history: false },
    'chat-x*': { presence: false, history: false },
  },
  userPresence: false,
  stampFailed() {},
})

test.each([
  ['chat-1', true],
  ['chat-', true],
  ['chat-\u{1F600}', true],
  ['chat-quiet', false],
  ['chat-xyz', true],
  ['chat', false],
  ['my chat-1', false],
  ['a.b and c', true],
  ['aXbc', false],
  ['', false],
])('%j has presence: %s', (room, has) => {
  expect(rules.hasPresence(room)).toBe(has)
})

test('history is of those that have one', () => {
  expect(rules.history('chat-1')).toEqual(history)
  expect(rules.history('chat-quiet')).toBe(null)
  expect(rules.history('other')).toBe(null)
})

test('the largest history has the size of one room and the age of another', () => {
  const rooms = (...histories: (typeof history | false)[]) =>
    Object.fromEntries(histories.map((each, index) => [`r${index}*`, { presence: false, history: each }]))
  const largest = (...histories: (typeof history | false)[]) =>
    new RoomRules({ rooms: rooms(...histories), userPresence: false, stampFailed() {} }).largestHistory
  expect(largest({ size: 10, age: 1 }, false, { size: 2, age: 7 })).toEqual({ size: 10, age: 7 })
  expect(largest(false)).toBe(null)
  expect(largest()).toBe(null)
})

test('the room of all users has presence when users have, whatever the patterns say', () => {
  const all = { '*': { presence: true, history: false as const } }
  for (const userPresence of [true, false]) {
    const every = new RoomRules({ rooms: all, userPresence, stampFailed() {} })
    expect(every.hasPresence('')).toBe(userPresence)
    expect(every.hasPresence('x')).toBe(true)
  }
})
