import { expect, test } from 'vitest'
import { seededRandom } from '../../core/balancing/contract/seeded-random.ts'
import { Emitter } from '../../core/emitter.ts'
import { Backend } from '../backend.ts'
import type { GatewayEvents } from '../events.ts'
import type { Failure } from '../failure.ts'
import type { GatewayConfig, GatewayOptions } from '../options.ts'
import { parseOptions } from '../parse-options.ts'
import type { Timers } from '../timers.ts'
import { Admission } from './admission.ts'
import { type Applicant, Seat } from './seat.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

function configOf(options: Partial<GatewayOptions>): GatewayConfig {
  const parsed = parseOptions({
    listen: [{ port: 0 }],
    pools: { main: { backends: ['a:1'] } },
    routes: [{ pool: 'main' }],
    ...options,
  })
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  return parsed.config
}

/** A clock that stands still, and deadlines that come when they are called. */
class Clock {
  readonly deadlines = new Set<{ expire(): void }>()
  time = 0
  /** What is to come as soon as time passes. */
  alarm: (() => void) | null = null

  readonly timers = {
    environment: {
      setAlarm: (ring: () => void) => {
        this.alarm = () => {
          this.alarm = null
          ring()
        }
      },
      clearAlarm: () => {
        this.alarm = null
      },
    },
    now: () => this.time,
    schedule: (timer: { expire(): void }) => this.deadlines.add(timer),
    cancel: (timer: { expire(): void }) => this.deadlines.delete(timer),
  } as unknown as Timers
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** An upgrade that only ever wants one of these backends. */
class Wanting implements Applicant {
  readonly poolName: string
  setback: Failure | null = null
  seat: Seat | null = null
  failure: Failure | null = null
  readonly #backends: readonly Backend[]
  readonly #client: string

  constructor(poolName: string, backends: readonly Backend[], client: string) {
    this.poolName = poolName
    this.#backends = backends
    this.#client = client
  }

  clientKey(): string {
    return this.#client
  }

  choose(): Backend | number | null {
    if (this.hopeless()) return null
    const waits = this.#active.map(({ seats }) => seats.wait(0))
    return this.#active.find(({ seats }) => seats.wait(0) === 0) ?? Math.min(...waits)
  }

  hopeless(): boolean {
    return this.#active.length === 0
  }

  reroute(): Failure | null {
    return null
  }

  seated(): void {}

  refused(failure: Failure): void {
    this.failure = failure
    this.seat = null
  }

  get #active(): Backend[] {
    return this.#backends.filter(({ state }) => state === 'active')
  }
}

test('100,000 random endings: what is counted is what is held, at every step', async () => {
  const random = seededRandom(7)
  const roll = (sides: number) => Math.floor(random() * sides)
  const clock = new Clock()
  const backends = ['a:1', 'b:1', 'c:1'].map((address) => {
    const backend = new Backend(address, { kind: 'tcp', host: 'x', port: 1 })
    backend.seats.configure({ maxConnections: 30, rate: null })
    return backend
  })
  const caps = { maxConnections: 50, waitingRoom: { size: 25 }, backends: ['a:1'] }
  const config = configOf({
    admission: { maxConnections: 70, maxConnectionsPerClient: 12 },
    pools: { one: caps, two: caps },
    routes: [{ pool: 'one' }],
  })
  const host = { timers: clock.timers, log: silent, events: new Emitter<GatewayEvents>() }
  const admission = new Admission(host, config)
  const live = new Set<Wanting>()
  const outcomes = new Map<string, number>()
  const note = (what: string) => outcomes.set(what, (outcomes.get(what) ?? 0) + 1)
  let endings = 0
  const check = () => {
    const held = [...live].filter(({ seat }) => seat?.backend)
    const waits = [...live].filter(({ seat }) => seat !== null && seat.backend === null)
    expect([admission.used, admission.waiting]).toEqual([held.length, waits.length])
    for (const backend of backends) {
      expect(backend.seats.used).toBe(held.filter(({ seat }) => seat?.backend === backend).length)
      expect(backend.seats.used).toBeLessThanOrEqual(30)
    }
    for (const pool of ['one', 'two']) {
      expect(admission.room(pool).used).toBe(held.filter(({ poolName }) => poolName === pool).length)
    }
    expect(admission.used).toBeLessThanOrEqual(70)
  }
  for (let step = 0; endings < 100_000; step++) {
    clock.time += roll(3)
    if (roll(5) < 3) {
      const upgrade = new Wanting(roll(2) === 0 ? 'one' : 'two', backends, `client ${roll(15)}`)
      const entered = admission.enter(upgrade)
      if (entered instanceof Seat) {
        upgrade.seat = entered
        live.add(upgrade)
      } else {
        note(entered.code)
        endings++
      }
    } else {
      const one = [...live][roll(live.size)]
      if (one !== undefined) {
        live.delete(one)
        // Whoever comes last must not free it again.
        for (let times = 1 + roll(2); times > 0; times--) one.seat?.free()
        note('freed')
        endings++
      }
    }
    if (roll(40) === 0) {
      const held = [...live].find(({ seat }) => seat?.backend)
      held?.seat?.moveTo(
        (backends.find(({ seats }) => seats.used < 30) ?? held.seat.backend) as Backend,
        performance.now(),
      )
    }
    if (roll(50) === 0) for (const deadline of [...clock.deadlines].slice(0, 2)) deadline.expire()
    if (roll(200) === 0)
      for (const backend of backends) backend.ordered = roll(2) === 0 ? 'active' : 'disabled'
    if (roll(20) === 0) {
      admission.wake()
      await settle()
    }
    for (const one of live) {
      if (one.failure === null) continue
      live.delete(one)
      note(one.failure.code)
      endings++
    }
    if (step % 50 === 0) check()
  }
  for (const { seat } of live) seat?.free()
  expect([admission.used, admission.waiting, admission.clients]).toEqual([0, 0, 0])
  expect(backends.map(({ seats }) => seats.used)).toEqual([0, 0, 0])
  expect([...clock.deadlines].length).toBe(0)
  const kinds = ['freed', 'CLIENT_LIMIT', 'NO_BACKEND', 'WAITED_TOO_LONG', 'WAITING_ROOM_FULL']
  for (const kind of kinds) expect(outcomes.get(kind) ?? 0).toBeGreaterThan(100)
}, 60_000)

test('another configuration counts at once for those who wait', async () => {
  const clock = new Clock()
  const backend = new Backend('a:1', { kind: 'tcp', host: 'x', port: 1 })
  const pool = (maxConnections: number) => ({ main: { backends: ['a:1'], maxConnections } })
  const host = { timers: clock.timers, log: silent, events: new Emitter<GatewayEvents>() }
  const admission = new Admission(host, configOf({ pools: pool(1) }))
  const upgrades = [1, 2, 3, 4].map((index) => new Wanting('main', [backend], `client ${index}`))
  const seats = upgrades.map((upgrade) => admission.enter(upgrade) as Seat)
  expect(seats.map((seat) => seat.backend?.address)).toEqual(['a:1', undefined, undefined, undefined])
  admission.reconfigure({ config: configOf({ pools: pool(3) }) } as never)
  await settle()
  expect(seats.map((seat) => seat.backend?.address)).toEqual(['a:1', 'a:1', 'a:1', undefined])
  // Fewer than there are: nobody has to go, and nobody comes.
  admission.reconfigure({ config: configOf({ pools: pool(1) }) } as never)
  seats[0]?.free()
  await settle()
  expect([admission.used, admission.waiting]).toEqual([2, 1])
  seats[1]?.free()
  seats[2]?.free()
  await settle()
  expect([admission.used, admission.waiting]).toEqual([1, 0])
})

test('who waits for a backend gets its seat when another connection turns away from it', async () => {
  const clock = new Clock()
  const [one, two] = ['a:1', 'b:1'].map((address) => {
    const backend = new Backend(address, { kind: 'tcp', host: 'x', port: 1 })
    backend.seats.configure({ maxConnections: 1, rate: null })
    return backend
  }) as [Backend, Backend]
  const host = { timers: clock.timers, log: silent, events: new Emitter<GatewayEvents>() }
  const admission = new Admission(host, configOf({}))
  const first = admission.enter(new Wanting('main', [one], 'first')) as Seat
  const second = admission.enter(new Wanting('main', [one], 'second')) as Seat
  expect([first.backend, second.backend]).toEqual([one, null])
  first.moveTo(two, performance.now())
  await settle()
  expect([first.backend, second.backend, admission.used]).toEqual([two, one, 2])
  // The same when it goes back to wait.
  const third = admission.enter(new Wanting('main', [two], 'third')) as Seat
  expect(admission.reenter(first, new Wanting('main', [one], 'first'), 1000)).toBe(true)
  await settle()
  expect([first.backend, third.backend, admission.used, admission.waiting]).toEqual([null, two, 2, 1])
})

test('of hundreds that were set back each one gets the seat that it waits for, wherever it stands', async () => {
  const clock = new Clock()
  const [one, two, open] = ['a:1', 'b:1', 'c:1'].map((address, index) => {
    const backend = new Backend(address, { kind: 'tcp', host: 'x', port: 1 })
    backend.seats.configure({ maxConnections: index < 2 ? 1 : 1000, rate: null })
    return backend
  }) as [Backend, Backend, Backend]
  const host = { timers: clock.timers, log: silent, events: new Emitter<GatewayEvents>() }
  const admission = new Admission(host, configOf({}))
  admission.enter(new Wanting('main', [one], 'first'))
  const second = admission.enter(new Wanting('main', [two], 'second')) as Seat
  const entered = Array.from({ length: 300 }, () => admission.enter(new Wanting('main', [open], 'x')) as Seat)
  for (const [index, seat] of entered.entries()) {
    const applicant = new Wanting('main', [index === 200 ? two : one], 'x')
    applicant.setback = { code: 'BACKEND_CLOSED', message: 'it closed' }
    expect(admission.reenter(seat, applicant, 1000)).toBe(true)
  }
  await settle()
  expect([admission.used, admission.waiting]).toEqual([2, 300])
  second.free()
  for (let rings = 0; rings < 20 && admission.waiting === 300; rings++) {
    await settle()
    clock.alarm?.()
  }
  expect([entered[200]?.backend, admission.waiting, two.seats.used]).toEqual([two, 299, 1])
  for (const seat of entered) seat.free()
  await settle()
  expect([admission.waiting, clock.alarm, clock.deadlines.size]).toEqual([0, null, 0])
})

test('a listener may send others away while a change of the configuration sends somebody away', async () => {
  const clock = new Clock()
  const backend = new Backend('a:1', { kind: 'tcp', host: 'x', port: 1 })
  const host = { timers: clock.timers, log: silent, events: new Emitter<GatewayEvents>() }
  const options = { pools: { main: { backends: ['a:1'], maxConnections: 1 } } }
  const admission = new Admission(host, configOf(options))
  const upgrades = [0, 1, 2, 3].map((index) => new Wanting('main', [backend], `client ${index}`))
  const seats = upgrades.map((upgrade) => admission.enter(upgrade) as Seat)
  const [, second, third] = upgrades as [Wanting, Wanting, Wanting]
  second.reroute = () => ({ code: 'ROUTE_NOT_FOUND', message: 'no route' })
  second.refused = () => seats[2]?.free()
  third.reroute = () => {
    throw new Error('it has gone')
  }
  admission.reconfigure({ config: configOf(options) } as never)
  expect([admission.used, admission.waiting]).toEqual([1, 1])
  seats[0]?.free()
  await settle()
  expect([seats[3]?.backend, admission.used, admission.waiting]).toEqual([backend, 1, 0])
})
