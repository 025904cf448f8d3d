import { expect, test } from 'vitest'
import { HistoryLog } from './history-log.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const payload = new Uint8Array(1000)

function start() {
  const clock = { now: 0 }
  return { clock, log: new HistoryLog(() => clock.now) }
}

test('messages that are too old go, whether their room is asked for again or not', () => {
  const { clock, log } = start()
  for (let room = 0; room < 100; room++) log.append(`r${room}`, payload, { size: 10, age: hour })
  const place = log.append('r0', payload, { size: 10, age: hour })
  expect(log.size).toEqual({ channels: 100, bytes: 101_000 })
  clock.now += hour - 1
  log.append('r1', payload, { size: 10, age: hour })
  expect(log.size.bytes).toBe(102_000)
  clock.now += 2
  log.read('other', null, 0)
  expect(log.size).toEqual({ channels: 101, bytes: 2000 })
  // Where the room is outlives them.
  expect(log.read('r0', place, 10)).toEqual({ top: place, messages: [], complete: true })
  const next = log.append('r0', payload, { size: 10, age: hour })
  expect(next).toEqual({ epoch: place.epoch, offset: 3 })
  expect(log.read('r0', place, 10)).toMatchObject({ messages: [{ offset: 3 }], complete: true })
})

test('a room with a long age keeps nothing but itself', () => {
  const { clock, log } = start()
  log.append('long', payload, { size: 10, age: 7 * day })
  for (let room = 0; room < 1000; room++) log.append(`short${room}`, payload, { size: 10, age: minute })
  for (let room = 0; room < 1000; room++) log.read(`asked${room}`, null, 1)
  expect(log.size).toEqual({ channels: 2001, bytes: 1_001_000 })
  clock.now += 201 * minute
  log.read('long', null, 1)
  clock.now += 1
  log.read('long', null, 1)
  expect(log.size).toEqual({ channels: 1, bytes: 1000 })
})

test('a room whose age changes is kept as long as its last one says', () => {
  const { clock, log } = start()
  log.read('r', null, 0)
  const { epoch } = log.append('r', payload, { size: 10, age: day })
  clock.now += 12 * hour
  expect(log.read('r', null, 10).messages).toHaveLength(1)
  log.append('r', payload, { size: 10, age: minute })
  clock.now += 2 * minute
  log.read('other', null, 0)
  expect(log.size.bytes).toBe(0)
  expect(log.read('r', null, 10)).toEqual({ top: { epoch, offset: 2 }, messages: [], complete: true })
  clock.now += 101 * minute
  log.read('other', null, 0)
  clock.now += 1
  log.read('other', null, 0)
  expect(log.read('r', null, 10).top.epoch).not.toBe(epoch)
})
