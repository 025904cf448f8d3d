import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Batch } from './batch.ts'
import { Message } from './message.ts'
import { type Kind, SendQueue, type WhenFull } from './send-queue.ts'

const overhead = 64

interface Entry {
  readonly text: string
  readonly key: string | null
  readonly kind: Kind
}

/** The queue as one would write it down: a list. */
class Model {
  entries: Entry[] = []
  lost = 0
  readonly limit: number
  readonly whenFull: WhenFull

  constructor(limit: number, whenFull: WhenFull) {
    this.limit = limit
    this.whenFull = whenFull
  }

  get bytes(): number {
    return this.entries.reduce((sum, { text }) => sum + text.length + overhead, 0)
  }

  /** Of those within the limit. */
  get counted(): number {
    const counted = this.entries.filter(({ kind }) => kind !== 'recovered')
    return counted.reduce((sum, { text }) => sum + text.length + overhead, 0)
  }

  push(entry: Entry): string {
    const { key, text, kind } = entry
    if (kind === 'recovered') {
      this.entries.push(entry)
      return 'queued'
    }
    if (this.whenFull === 'conflate' && key !== null) {
      const kept = this.entries.filter((other) => other.key !== key)
      this.lost += this.entries.length - kept.length
      this.entries = kept
    }
    const fits = () => this.counted + text.length + overhead <= this.limit
    if (this.whenFull === 'drop-oldest' && text.length + overhead <= this.limit) {
      while (!fits()) {
        const oldest = this.entries.findIndex((other) => other.kind === 'plain')
        if (oldest === -1) break
        this.entries.splice(oldest, 1)
        this.lost++
      }
    }
    if (!fits()) {
      if (kind === 'placed' || this.whenFull === 'close' || this.whenFull === 'conflate') return 'full'
      this.lost++
      return 'dropped'
    }
    this.entries.push(entry)
    return 'queued'
  }

  take(most: number): string[] {
    const taken: string[] = []
    let bytes = 0
    while (this.entries.length > 0 && (taken.length === 0 || bytes < most)) {
      const { text } = this.entries.shift() as Entry
      taken.push(text)
      bytes += text.length
    }
    return taken
  }
}

const textsOf = (batch: Batch | null) => batch?.messages().map(({ data }) => data) ?? []

const pushed = fc.record({
  size: fc.nat(300),
  key: fc.option(fc.constantFrom('a', 'b', 'c')),
  kind: fc.constantFrom<Kind>('plain', 'plain', 'placed', 'recovered'),
})
const step = fc.oneof(
  { weight: 5, arbitrary: pushed },
  { weight: 1, arbitrary: fc.record({ take: fc.nat(1000) }) },
)

describe('the send queue', () => {
  test.each(['close', 'drop-oldest', 'drop-newest', 'conflate'] as const)(
    'with %s is what a list would be',
    (whenFull) => {
      fc.assert(
        fc.property(
          fc.array(step, { maxLength: 400 }),
          fc.integer({ min: 100, max: 8000 }),
          (steps, limit) => {
            const queue = new SendQueue(limit, whenFull)
            const model = new Model(limit, whenFull)
            for (const [at, action] of steps.entries()) {
              if ('take' in action) expect(textsOf(queue.take(action.take))).toEqual(model.take(action.take))
              else {
                const text = `${at}`.padEnd(action.size, '.')
                const key = action.kind === 'recovered' ? null : action.key
                const result = queue.push(new Message(text), key, action.kind)
                expect(result).toBe(model.push({ text, key, kind: action.kind }))
              }
              expect(queue.bytes).toBe(model.bytes)
              expect(queue.count).toBe(model.entries.length)
              expect(queue.lost).toBe(model.lost)
              expect(model.counted).toBeLessThanOrEqual(limit)
            }
            expect(textsOf(queue.take(Number.POSITIVE_INFINITY))).toEqual(
              model.take(Number.POSITIVE_INFINITY),
            )
            expect([queue.bytes, queue.count]).toEqual([0, 0])
          },
        ),
      )
    },
  )

  test('keeps no place for what was conflated away or taken', () => {
    const queue = new SendQueue(10_000, 'conflate')
    for (let at = 0; at < 100_000; at++)
      expect(queue.push(new Message(String(at)), String(at % 50))).toBe('queued')
    expect(queue.count).toBe(50)
    expect(textsOf(queue.take(1e9))).toEqual(Array.from({ length: 50 }, (_, at) => String(99_950 + at)))
  })

  test('keeps no place for what was dropped behind what may not be', () => {
    const queue = new SendQueue(10_000, 'drop-oldest')
    for (let at = 0; at < 10; at++) queue.push(new Message('placed'), null, 'placed')
    for (let at = 0; at < 100_000; at++) queue.push(new Message(String(at)), null)
    const texts = textsOf(queue.take(1e9))
    expect(texts.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 'placed'))
    expect(texts.slice(10)).toEqual(texts.slice(10).map((_, at) => String(100_000 - texts.length + 10 + at)))
    expect(texts.length).toBeGreaterThan(100)
  })
})
