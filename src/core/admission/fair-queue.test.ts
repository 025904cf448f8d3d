import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FairQueue, type Place } from './fair-queue.ts'

function drain<T>(queue: FairQueue<T>): T[] {
  const all: T[] = []
  for (let item = queue.next(); item !== null; item = queue.next()) all.push(item)
  return all
}

test('clients take turns, and within one who came first goes first', () => {
  const queue = new FairQueue<string>(100)
  for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2', 'a4']) queue.enter(item, item[0] as string)
  expect(queue.peek()).toBe('a1')
  expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
  expect([queue.size, queue.peek(), queue.next()]).toEqual([0, null, null])
})

test('who has no name is a client of its own', () => {
  const queue = new FairQueue<string>(100)
  for (const item of ['a1', 'a2', 'x', 'y', 'a3']) queue.enter(item, item[0] === 'a' ? 'a' : null)
  expect(drain(queue)).toEqual(['a1', 'x', 'y', 'a2', 'a3'])
})

test('a client that waits alone gets its turn among a thousand of another', () => {
  const queue = new FairQueue<string>(2000)
  for (let index = 0; index < 1000; index++) queue.enter(`flood ${index}`, 'flood')
  queue.enter('one', 'somebody')
  expect([queue.next(), queue.next()]).toEqual(['flood 0', 'one'])
})

test('a turn can be passed on', () => {
  const queue = new FairQueue<string>(9)
  queue.skip()
  for (const item of ['a1', 'a2', 'b1']) queue.enter(item, item[0] as string)
  queue.skip()
  expect(drain(queue)).toEqual(['b1', 'a1', 'a2'])
})

test('who leaves gives its place up at once, and leaving twice does nothing', () => {
  const queue = new FairQueue<string>(2)
  const first = queue.enter('a1', 'a')
  queue.enter('b1', 'b')
  expect(queue.full).toBe(true)
  queue.leave(first)
  queue.leave(first)
  expect([queue.full, queue.size, first.waiting]).toEqual([false, 1, false])
  expect(drain(queue)).toEqual(['b1'])
})

test('in a full queue the longest line yields its last, but only to a client with two less', () => {
  const queue = new FairQueue<string>(5)
  for (const item of ['a1', 'a2', 'a3', 'b1', 'b2']) queue.enter(item, item[0] as string)
  expect(queue.full).toBe(true)
  expect(queue.yielding('a')).toBe(null)
  expect(queue.yielding('b')).toBe(null)
  expect(queue.yielding('c')?.item).toBe('a3')
  expect(queue.yielding(null)?.item).toBe('a3')
  queue.leave(queue.yielding('c') as Place<string>)
  queue.enter('c1', 'c')
  // Of two that are equally long it does not matter which.
  expect(['a2', 'b2']).toContain(queue.yielding('d')?.item)
  queue.leave(queue.yielding('d') as Place<string>)
  queue.enter('d1', 'd')
  expect(['a2', 'b2']).toContain(queue.yielding('e')?.item)
  queue.leave(queue.yielding('e') as Place<string>)
  queue.enter('e1', 'e')
  expect(queue.yielding('f')).toBe(null)
})

test('a flood from one address cannot keep the others out of a full queue', () => {
  const queue = new FairQueue<string>(100)
  const refused: string[] = []
  const arrive = (item: string, client: string): void => {
    if (queue.full) {
      const yielding = queue.yielding(client)
      refused.push(yielding?.item ?? item)
      if (yielding === null) return
      queue.leave(yielding)
    }
    queue.enter(item, client)
  }
  for (let index = 0; index < 1000; index++) arrive(`flood ${index}`, 'flood')
  for (let index = 0; index < 50; index++) arrive(`client ${index}`, `client ${index}`)
  expect(queue.size).toBe(100)
  expect(refused.every((item) => item.startsWith('flood'))).toBe(true)
  expect(drain(queue).filter((item) => item.startsWith('client')).length).toBe(50)
})

/** What the queue has to do, by looking at everything each time. */
class PlainQueue {
  lines: { client: string; items: number[] }[] = []

  enter(item: number, client: string): void {
    const line = this.lines.find((known) => known.client === client)
    if (line === undefined) this.lines.push({ client, items: [item] })
    else line.items.push(item)
  }

  leave(item: number): void {
    for (const line of this.lines) line.items = line.items.filter((other) => other !== item)
    this.lines = this.lines.filter(({ items }) => items.length > 0)
  }

  next(): number | null {
    const line = this.lines.shift()
    const item = line?.items.shift()
    if (line === undefined || item === undefined) return null
    if (line.items.length > 0) this.lines.push(line)
    return item
  }

  longest(): number {
    return Math.max(0, ...this.lines.map(({ items }) => items.length))
  }

  lengthOf(client: string): number {
    return this.lines.find((line) => line.client === client)?.items.length ?? 0
  }
}

test('it does the same as one that looks at everything each time', () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ act: fc.constant('enter' as const), of: fc.nat({ max: 5 }) }) },
      { weight: 2, arbitrary: fc.record({ act: fc.constant('next' as const), of: fc.constant(0) }) },
      { weight: 2, arbitrary: fc.record({ act: fc.constant('leave' as const), of: fc.nat({ max: 300 }) }) },
      { weight: 2, arbitrary: fc.record({ act: fc.constant('yield' as const), of: fc.nat({ max: 6 }) }) },
    ),
    { maxLength: 300 },
  )
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new FairQueue<number>(1000)
      const plain = new PlainQueue()
      const places: Place<number>[] = []
      for (const { act, of } of all) {
        if (act === 'enter') {
          plain.enter(places.length, `${of}`)
          places.push(queue.enter(places.length, `${of}`))
        } else if (act === 'next') {
          expect(queue.next()).toBe(plain.next())
        } else if (act === 'leave' && places.length > 0) {
          const place = places[of % places.length] as Place<number>
          plain.leave(place.item)
          queue.leave(place)
        } else if (act === 'yield') {
          const place = queue.yielding(`${of}`)
          expect(place !== null).toBe(plain.longest() >= plain.lengthOf(`${of}`) + 2)
          if (place === null) continue
          const line = plain.lines.find(({ items }) => items.includes(place.item))
          expect(line?.items.length).toBe(plain.longest())
          expect(line?.items.at(-1)).toBe(place.item)
        }
        expect(queue.size).toBe(plain.lines.reduce((sum, { items }) => sum + items.length, 0))
      }
      for (const left = queue.size; queue.size > 0; ) {
        expect(left).toBeGreaterThan(0)
        expect(queue.next()).toBe(plain.next())
      }
    }),
  )
})
