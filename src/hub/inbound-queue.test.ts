import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InboundQueue } from './inbound-queue.ts'

test('the inbound queue is a list that says when it is long', () => {
  const step = fc.option(fc.oneof(fc.string({ maxLength: 50 }), fc.uint8Array({ maxLength: 50 })), {
    freq: 3,
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (steps, most) => {
      const limits = { messages: most, bytes: most * 20, maxMessage: 1 }
      const queue = new InboundQueue(limits)
      const list: (string | Uint8Array)[] = []
      for (const data of steps) {
        if (data === null) expect(queue.shift()).toBe(list.shift())
        else {
          queue.push(data)
          list.push(data)
        }
        const bytes = list.reduce((sum, { length }) => sum + length, 0)
        expect([queue.count, queue.bytes]).toEqual([list.length, bytes])
        expect(queue.full).toBe(list.length >= limits.messages || bytes >= limits.bytes)
        expect(queue.low).toBe(list.length <= limits.messages / 2 && bytes <= limits.bytes / 2)
      }
      queue.clear()
      expect([queue.count, queue.bytes, queue.shift()]).toEqual([0, 0, undefined])
    }),
  )
})
