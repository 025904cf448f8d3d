import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Timer, TimerWheel } from './timer-wheel.ts'

const resolution = 10

/** Owners note when they fire, and do what they were told to do then. */
class Owner {
  readonly name: string
  readonly timer = new Timer<Owner>(this, Owner.fire)
  react: () => void = () => {}
  readonly #log: string[]

  constructor(name: string, log: string[]) {
    this.name = name
    this.#log = log
  }

  static fire(owner: Owner): void {
    owner.#log.push(owner.name)
    owner.react()
  }
}

function setUp(slots = 8, now = 0) {
  const log: string[] = []
  const wheel = new TimerWheel({ resolution, slots, now })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new Owner(name, log)) as [Owner, Owner, Owner]
  return { wheel, log, a, b, c }
}

describe('a timer', () => {
  test('fires once, not before its time and at most one resolution after it', () => {
    const { wheel, log, a } = setUp()
    wheel.schedule(a.timer, 25)
    wheel.advance(24.9)
    expect([log, a.timer.scheduled, wheel.size]).toEqual([[], true, 1])
    wheel.advance(30)
    expect([log, a.timer.scheduled, wheel.size]).toEqual([['a'], false, 0])
    wheel.advance(1000)
    expect(log).toEqual(['a'])
  })

  test('whose time is on a tick fires on it', () => {
    const { wheel, log, a } = setUp()
    wheel.schedule(a.timer, 30)
    wheel.advance(29)
    expect(log).toEqual([])
    wheel.advance(30)
    expect(log).toEqual(['a'])
  })

  test.each([50, 0, -1000, Number.NaN])('whose time is past or none (%d) fires at the next tick', (at) => {
    const { wheel, log, a } = setUp()
    wheel.advance(50)
    wheel.schedule(a.timer, at)
    wheel.advance(59)
    expect(log).toEqual([])
    wheel.advance(60)
    expect(log).toEqual(['a'])
  })

  test('scheduled again fires at the new time only, be it later or earlier', () => {
    const { wheel, log, a, b } = setUp()
    wheel.schedule(a.timer, 20)
    wheel.schedule(a.timer, 60)
    wheel.schedule(b.timer, 60)
    wheel.schedule(b.timer, 20)
    expect(wheel.size).toBe(2)
    wheel.advance(50)
    expect(log).toEqual(['b'])
    wheel.advance(60)
    expect(log).toEqual(['b', 'a'])
  })

  test('cancelled does not fire, and may be cancelled twice and scheduled again', () => {
    const { wheel, log, a } = setUp()
    wheel.cancel(a.timer)
    wheel.schedule(a.timer, 20)
    wheel.cancel(a.timer)
    wheel.cancel(a.timer)
    expect([wheel.size, wheel.nextAt(), a.timer.scheduled]).toEqual([0, undefined, false])
    wheel.schedule(a.timer, 40)
    wheel.advance(30)
    expect(log).toEqual([])
    wheel.advance(40)
    expect(log).toEqual(['a'])
  })

  test('days away fires in time, however often the wheel has turned', () => {
    const { wheel, log, a } = setUp(2048)
    const day = 86_400_000
    wheel.schedule(a.timer, 3 * day)
    let calls = 0
    for (let at = wheel.nextAt(); at !== undefined && at < 3 * day; at = wheel.nextAt()) {
      wheel.advance(at)
      calls++
    }
    expect([log, calls < (3 * 86_400 * 1000) / (resolution * 2000)]).toEqual([[], true])
    wheel.advance(3 * day)
    expect(log).toEqual(['a'])
  })

  test('that never comes does not fire', () => {
    const { wheel, log, a } = setUp()
    wheel.schedule(a.timer, Number.POSITIVE_INFINITY)
    wheel.advance(1e8)
    expect([log, wheel.size]).toEqual([[], 1])
  })
})

describe('a timer that fires', () => {
  test('may schedule itself, also for a time that is past', () => {
    const { wheel, log, a } = setUp()
    a.react = () => {
      if (log.length < 3) wheel.schedule(a.timer, 0)
    }
    wheel.schedule(a.timer, 10)
    wheel.advance(10)
    expect(log).toEqual(['a'])
    wheel.advance(100)
    expect(log).toEqual(['a', 'a', 'a'])
  })

  test('may cancel and move others of its slot', () => {
    const { wheel, log, a, b, c } = setUp()
    for (const { timer } of [a, b, c]) wheel.schedule(timer, 20)
    // Whichever comes first takes care of the other two.
    a.react = () => {
      wheel.cancel(b.timer)
      wheel.schedule(c.timer, 50)
    }
    b.react = () => {
      wheel.cancel(c.timer)
      wheel.schedule(a.timer, 50)
    }
    c.react = () => {
      wheel.cancel(a.timer)
      wheel.schedule(b.timer, 50)
    }
    wheel.advance(20)
    expect([log.length, wheel.size]).toEqual([1, 1])
    wheel.advance(40)
    expect(log.length).toBe(1)
    wheel.advance(50)
    expect(new Set(log).size).toBe(2)
  })

  test('may advance the wheel', () => {
    const { wheel, log, a, b, c } = setUp()
    a.react = () => wheel.advance(200)
    wheel.schedule(a.timer, 10)
    wheel.schedule(b.timer, 10)
    wheel.schedule(c.timer, 150)
    wheel.advance(20)
    expect([log.toSorted(), wheel.size]).toEqual([['a', 'b', 'c'], 0])
  })

  test('may throw: the others fire at the next call, even at the same time', () => {
    const { wheel, log, a, b, c } = setUp()
    for (const owner of [a, b, c]) wheel.schedule(owner.timer, 20)
    a.react =
      b.react =
      c.react =
        () => {
          if (log.length === 1) throw new Error('broken')
        }
    expect(() => wheel.advance(20)).toThrow('broken')
    expect([log.length, wheel.size, wheel.nextAt()]).toEqual([1, 2, 20])
    wheel.advance(20)
    expect([log.toSorted(), wheel.size]).toEqual([['a', 'b', 'c'], 0])
  })
})

test('a clock that runs backwards fires nothing', () => {
  const { wheel, log, a } = setUp(8, 1000)
  wheel.schedule(a.timer, 1050)
  wheel.advance(900)
  wheel.advance(1049)
  expect(log).toEqual([])
  wheel.advance(1050)
  expect(log).toEqual(['a'])
})

test.each([{ resolution: 0 }, { resolution: 0.5 }, { slots: 1 }, { slots: 1000 }, { slots: 0 }])(
  '%j makes no wheel',
  (options) => {
    expect(() => new TimerWheel({ now: 0, ...options })).toThrow(RangeError)
  },
)

test('a hundred thousand timers fire in the order of their ticks', () => {
  const fired: number[] = []
  const wheel = new TimerWheel({ now: 0 })
  const record = (at: number): void => {
    fired.push(Math.ceil(at / 50))
  }
  for (let i = 0; i < 100_000; i++) {
    const at = (i * 7919) % 300_000
    wheel.schedule(new Timer(at, record), at)
  }
  wheel.advance(150_000)
  wheel.advance(400_000)
  expect([fired.length, wheel.size]).toEqual([100_000, 0])
  expect(
    fired.every((tick, index) => index === 0 || Math.max(1, fired[index - 1] as number) <= Math.max(1, tick)),
  ).toBe(true)
})

type Step = { readonly kind: 'schedule' | 'cancel' | 'advance'; readonly id: number; readonly by: number }

const timers = 5
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('schedule', 'schedule', 'cancel', 'advance'),
  id: fc.nat(timers - 1),
  by: fc.oneof(
    fc.integer({ min: -20, max: 60 }),
    fc.integer({ min: 0, max: 600 }),
    fc.double({ min: 0, max: 100, noNaN: true }),
  ),
})

/** The same promises, kept with a map: what is pending, and from when on it counts. */
class Model {
  readonly pending = new Map<number, number>()
  readonly wheel: TimerWheel
  readonly #owners: Timer<number>[]
  readonly #script: Step[]
  now: number

  constructor(start: number, script: Step[]) {
    this.now = start
    this.wheel = new TimerWheel({ resolution, slots: 4, now: start })
    this.#script = script
    this.#owners = Array.from({ length: timers }, (_, id) => new Timer(id, (owner) => this.fired(owner)))
  }

  fired(id: number): void {
    const at = this.pending.get(id)
    // Not pending would be a second time, or after it was cancelled.
    expect(at).toBeDefined()
    expect(at as number).toBeLessThanOrEqual(this.now)
    this.pending.delete(id)
    const next = this.#script.pop()
    if (next !== undefined && next.kind !== 'advance') this.run(next)
  }

  run({ kind, id, by }: Step): void {
    const timer = this.#owners[id] as Timer<number>
    if (kind === 'schedule') {
      this.pending.set(id, Math.max(this.now, this.now + by))
      this.wheel.schedule(timer, this.now + by)
    } else if (kind === 'cancel') {
      this.pending.delete(id)
      this.wheel.cancel(timer)
    } else {
      this.now += Math.abs(by)
      this.wheel.advance(this.now)
      for (const at of this.pending.values()) expect(at).toBeGreaterThan(this.now - resolution)
    }
    expect(this.wheel.size).toBe(this.pending.size)
    expect(timer.scheduled).toBe(this.pending.has(id))
  }

  checkNext(): void {
    const next = this.wheel.nextAt()
    expect(next === undefined).toBe(this.pending.size === 0)
    for (const at of this.pending.values()) {
      expect(next as number).toBeLessThan(Math.max(at, this.now) + resolution + 1e-6)
    }
  }
}

test('whatever is scheduled, moved and cancelled, inside timers and outside, fires once and in time', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.array(step, { maxLength: 60 }),
      fc.array(step, { maxLength: 20 }),
      (start, steps, script) => {
        const model = new Model(start, script)
        for (const each of steps) {
          model.run(each)
          model.checkNext()
        }
        // Driven by nextAt alone, it comes to an end.
        for (let at = model.wheel.nextAt(); at !== undefined; at = model.wheel.nextAt()) {
          expect(at + resolution).toBeGreaterThan(model.now)
          model.run({ kind: 'advance', id: 0, by: Math.max(0, at - model.now) })
          model.checkNext()
        }
        expect(model.pending.size).toBe(0)
      },
    ),
    { numRuns: 500 },
  )
})
