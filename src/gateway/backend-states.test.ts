import { describe, expect, test } from 'vitest'
import { Emitter } from '../core/emitter.ts'
import { type Timer, TimerWheel } from '../core/timer-wheel.ts'
import type { CloseCode } from '../protocol/close-codes.ts'
import { Backend } from './backend.ts'
import { BackendStates, type BackendStatesHost } from './backend-states.ts'
import type { BackendStateChange, GatewayEvents } from './events.ts'
import type { Timers } from './timers.ts'
import type { Tunnel } from './tunnel.ts'

// What takes minutes. All else with real sockets: test/gateway/drain-backend.test.ts.

/** A gateway's parts with a clock that a test sets, and tunnels that end as soon as they are told to. */
class Rig {
  now = 0
  readonly backend = new Backend('b:1', { kind: 'tcp', host: 'b', port: 1 })
  readonly changes: BackendStateChange[] = []
  /** When each tunnel was closed, in seconds, and which. */
  readonly closed: { readonly at: number; readonly index: number }[] = []
  /** When health was told that the backend is back, in seconds. */
  readonly returns: number[] = []
  readonly tunnels = new Set<Tunnel>()
  readonly states: BackendStates
  readonly #wheel = new TimerWheel({ now: 0 })

  constructor() {
    const timers = {
      now: () => this.now,
      schedule: <T>(timer: Timer<T>, milliseconds: number) =>
        this.#wheel.schedule(timer, this.now + milliseconds),
      cancel: <T>(timer: Timer<T>) => this.#wheel.cancel(timer),
    } as Timers
    const events = new Emitter<GatewayEvents>()
    events.on('backend.state', (change) => this.changes.push(change))
    this.states = new BackendStates({
      timers,
      events,
      tunnels: this.tunnels,
      backendConnections: [],
      health: { stateChanged() {}, returned: () => this.returns.push(this.now / 1000) },
      reuse: { closeOf() {} } as unknown as BackendStatesHost['reuse'],
      log: { debug() {}, info() {}, warn() {}, error() {} },
      snapshot: { config: { timeouts: { drain: 300_000, halfClosed: 10_000 } } },
    })
  }

  open(count: number, activity: (index: number) => number = () => 0): void {
    for (let index = 0; index < count; index++) {
      const tunnel = { backend: this.backend, leaving: false } as Tunnel
      Object.defineProperty(tunnel, 'activity', { get: () => activity(index) })
      tunnel.close = (_code: CloseCode) => {
        this.closed.push({ at: this.now / 1000, index })
        this.end(tunnel)
      }
      this.tunnels.add(tunnel)
      this.backend.tunnelOpened()
    }
  }

  end(tunnel: Tunnel): void {
    this.tunnels.delete(tunnel)
    this.backend.tunnelClosed()
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#wheel.size
  }

  /** Lets seconds pass. */
  pass(seconds: number): void {
    const until = this.now + seconds * 1000
    while (this.now < until) {
      this.now += 50
      this.#wheel.advance(this.now)
    }
  }
}

describe('a drain of five minutes', () => {
  test('closes a tenth of the tunnels in each 29 seconds, and is over when all are gone', async () => {
    const rig = new Rig()
    rig.open(1000)
    const drained = rig.states.drain(rig.backend, 300_000)
    rig.pass(301)
    expect(await drained).toBe(true)
    for (let tenth = 0; tenth < 10; tenth++) {
      const within = rig.closed.filter(({ at }) => at > tenth * 29 && at <= (tenth + 1) * 29)
      expect(Math.abs(within.length - 100)).toBeLessThanOrEqual(5)
    }
    expect(rig.closed.length).toBe(1000)
    expect(rig.backend.state).toBe('draining')
  })

  test('slows down when tunnels leave by themselves', () => {
    const rig = new Rig()
    rig.open(580)
    void rig.states.drain(rig.backend, 300_000)
    rig.pass(145)
    expect(Math.abs(rig.closed.length - 290)).toBeLessThanOrEqual(3)
    for (const tunnel of [...rig.tunnels].slice(0, 200)) rig.end(tunnel)
    rig.closed.length = 0
    rig.pass(72.5)
    expect(Math.abs(rig.closed.length - 45)).toBeLessThanOrEqual(3)
  })

  test('closes those first that have been idle for longest', () => {
    const rig = new Rig()
    // The last that was opened is silent from the start, the one before falls silent after two seconds, and so on.
    rig.open(100, (index) => Math.min(rig.now, (99 - index) * 2000))
    void rig.states.drain(rig.backend, 300_000)
    rig.pass(300)
    const order = rig.closed.map(({ index }) => index)
    expect(order).toEqual([...order].sort((a, b) => b - a))
  })

  test('is not over while a connect that was begun before is under way, and closes what becomes of it', async () => {
    const rig = new Rig()
    rig.open(10)
    rig.backend.take()
    let over = false
    const drained = rig.states.drain(rig.backend, 5000).then(() => {
      over = true
    })
    rig.pass(60)
    await Promise.resolve()
    expect([rig.backend.connections, over]).toEqual([0, false])
    rig.open(1)
    rig.backend.release()
    rig.pass(2)
    expect(rig.backend.connections).toBe(0)
    await drained
  })
})

describe("a backend's own word", () => {
  test('a Close 1012 counts for 30 seconds after the last one', () => {
    const rig = new Rig()
    rig.states.restarting(rig.backend)
    rig.pass(25)
    rig.states.restarting(rig.backend)
    rig.pass(25)
    expect(rig.backend.state).toBe('draining')
    rig.pass(6)
    expect(rig.backend.state).toBe('active')
    expect(rig.changes.map(({ state, by }) => `${state} by ${by}`)).toEqual([
      'draining by backend',
      'active by backend',
    ])
  })

  test('a Close 1012 on one of several tunnels is about that one, on two within 10 seconds about the backend', () => {
    const rig = new Rig()
    rig.open(3)
    rig.states.restarting(rig.backend)
    expect(rig.backend.state).toBe('active')
    rig.pass(11)
    rig.states.restarting(rig.backend)
    expect(rig.backend.state).toBe('active')
    rig.pass(9)
    rig.states.restarting(rig.backend)
    expect(rig.backend.state).toBe('draining')
  })

  test('an announcement counts until it is taken back, whatever is closed meanwhile', () => {
    const rig = new Rig()
    rig.states.announce(rig.backend, 'draining')
    rig.states.restarting(rig.backend)
    rig.pass(600)
    expect(rig.backend.state).toBe('draining')
    rig.states.announce(rig.backend, 'active')
    expect(rig.backend.state).toBe('active')
  })

  test('an announcement during a restart takes its place', () => {
    const rig = new Rig()
    rig.states.restarting(rig.backend)
    rig.states.announce(rig.backend, 'draining')
    rig.pass(60)
    expect(rig.backend.state).toBe('draining')
  })

  test('does not outweigh the operator, and enable clears it', () => {
    const rig = new Rig()
    rig.states.disable(rig.backend)
    rig.states.announce(rig.backend, 'draining')
    rig.states.announce(rig.backend, 'active')
    expect(rig.backend.state).toBe('disabled')
    rig.states.announce(rig.backend, 'draining')
    rig.states.enable(rig.backend)
    expect(rig.backend.state).toBe('active')
    expect(rig.changes.map(({ state }) => state)).toEqual(['disabled', 'active'])
  })
})

test('who was out for more than a moment is new to health when it is back, after a restart too', () => {
  const rig = new Rig()
  rig.states.disable(rig.backend)
  rig.pass(2)
  rig.states.enable(rig.backend)
  expect(rig.returns).toEqual([])
  void rig.states.drain(rig.backend, 1000)
  rig.pass(2)
  // From draining to disabled it is out all the time.
  rig.states.disable(rig.backend)
  rig.pass(2)
  rig.states.enable(rig.backend)
  expect(rig.returns).toEqual([6])
  rig.states.restarting(rig.backend)
  rig.pass(31)
  expect(rig.backend.state).toBe('active')
  expect(rig.returns).toHaveLength(2)
})

test('disable and the end of the gateway end a drain, and those who wait for it are told', async () => {
  for (const end of ['disable', 'stop'] as const) {
    const rig = new Rig()
    rig.open(10)
    const drained = rig.states.drain(rig.backend, 10_000)
    if (end === 'disable') rig.states.disable(rig.backend)
    else rig.states.stop()
    expect(await drained).toBe(false)
    rig.pass(20)
    expect(rig.closed).toEqual([])
  }
})

test('once the gateway has ended nothing is drained any more, and nobody waits for it', async () => {
  const rig = new Rig()
  rig.open(10)
  rig.states.stop()
  expect(await rig.states.drain(rig.backend, 10_000)).toBe(false)
  rig.pass(20)
  expect(rig.closed).toEqual([])
})

test('after the end of the gateway nothing is drained, and no timer begins', async () => {
  const rig = new Rig()
  rig.states.stop()
  expect(await rig.states.drain(rig.backend, 1000)).toBe(false)
  rig.states.restarting(rig.backend)
  rig.states.announce(rig.backend, 'draining')
  expect(rig.timers).toBe(0)
})
