import { expect, test } from 'vitest'
import { Backlog } from './backlog.ts'

const place = (offset: number, bytes = 10) => ({
  position: { epoch: 'e', offset },
  payload: new Uint8Array(bytes),
})
const offsets = (backlog: Backlog) => backlog.messages.map(({ position }) => position.offset)

test('is bounded in number and in bytes', () => {
  const backlog = new Backlog(3, 100)
  expect([1, 2, 3, 4].map((offset) => backlog.push(place(offset)))).toEqual([true, true, true, false])
  backlog.keep(({ position }) => position.offset > 1)
  expect([backlog.push(place(5, 81)), backlog.push(place(6, 80)), backlog.push(place(7, 0))]).toEqual([
    false,
    true,
    false,
  ])
  expect(backlog.take().length).toBe(3)
  expect([offsets(backlog), backlog.push(place(8, 100))]).toEqual([[], true])
})

test('keeps the newest, within both bounds', () => {
  const many = new Backlog(8, 1_000)
  for (let offset = 1; offset <= 1_000; offset++) {
    many.slide(place(offset))
    const kept = offsets(many)
    expect(kept.length).toBeLessThanOrEqual(8)
    expect(kept.length).toBeGreaterThan(Math.min(offset, 6) - 1)
    expect(kept).toEqual(Array.from(kept, (_, index) => offset - kept.length + 1 + index))
  }
  const heavy = new Backlog(1_000, 100)
  for (let offset = 1; offset <= 100; offset++) {
    heavy.slide(place(offset, 10 + (offset % 50)))
    const bytes = heavy.messages.reduce((sum, { payload }) => sum + payload.length, 0)
    expect([bytes <= 100, heavy.messages.at(-1)?.position.offset]).toEqual([true, offset])
  }
  heavy.slide(place(101, 200))
  expect(offsets(heavy)).toEqual([])
})
