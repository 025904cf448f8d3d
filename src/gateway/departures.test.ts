import { expect, test } from 'vitest'
import { type Timer, TimerWheel } from '../core/timer-wheel.ts'
import { Backend } from './backend.ts'
import { Departures } from './departures.ts'
import type { Timers } from './timers.ts'
import type { Tunnel } from './tunnel.ts'

// What takes longer than a test may wait. All else with real sockets: test/gateway/reload.test.ts.

function rig() {
  const wheel = new TimerWheel({ now: 0 })
  const clock = { now: 0 }
  const timers = {
    now: () => clock.now,
    schedule: <T>(timer: Timer<T>, milliseconds: number) => wheel.schedule(timer, clock.now + milliseconds),
    cancel: <T>(timer: Timer<T>) => wheel.cancel(timer),
  } as Timers
  const tunnels = new Set<Tunnel>()
  const forgotten: string[] = []
  const departures = new Departures(
    {
      timers,
      tunnels,
      reuse: { closeOf() {} },
      log: { debug() {}, info() {}, warn() {}, error() {} },
      snapshot: { config: { timeouts: { drain: 60_000, halfClosed: 10_000 } } },
    },
    ({ address }) => forgotten.push(address),
  )
  const pass = (seconds: number) => {
    for (const until = clock.now + seconds * 1000; clock.now < until; ) {
      clock.now += 50
      wheel.advance(clock.now)
    }
  }
  const open = (backend: Backend) => {
    const tunnel = { backend, leaving: false, activity: 0 } as Tunnel
    tunnel.close = () => {
      tunnels.delete(tunnel)
      backend.tunnelClosed()
    }
    tunnels.add(tunnel)
    backend.tunnelOpened()
  }
  return { departures, tunnels, forgotten, pass, open }
}

const backend = (name: string) => new Backend(`${name}:1`, { kind: 'tcp', host: name, port: 1 })

test('those that left are closed over one window, and each is forgotten once it is empty', () => {
  const { departures, tunnels, forgotten, pass, open } = rig()
  const [a, b, stays] = [backend('a'), backend('b'), backend('c')]
  for (let count = 0; count < 50; count++) for (const one of [a, stays]) open(one)
  departures.update(new Set([a, b, stays]), new Set([stays]))
  expect([a.present, b.present, stays.present]).toEqual([false, false, true])
  pass(14)
  // Something that was begun before may still become a tunnel.
  expect(forgotten).toEqual([])
  expect(a.connections).toBeGreaterThan(20)
  open(b)
  pass(2)
  expect(forgotten).toEqual([])
  pass(60)
  expect(forgotten.sort()).toEqual(['a:1', 'b:1'])
  expect(tunnels.size).toBe(50)
})

test('one that comes back keeps its tunnels and is not forgotten', () => {
  const { departures, forgotten, pass, open } = rig()
  const one = backend('a')
  for (let count = 0; count < 50; count++) open(one)
  departures.update(new Set([one]), new Set())
  pass(10)
  const left = one.connections
  departures.update(new Set(), new Set([one]))
  pass(120)
  expect([one.present, one.connections, forgotten]).toEqual([true, left, []])
})

test('one that goes on working for somebody is not forgotten', () => {
  const { departures, forgotten, pass } = rig()
  const one = backend('a')
  one.take()
  departures.update(new Set([one]), new Set())
  pass(300)
  expect(forgotten).toEqual([])
  one.release()
  pass(2)
  expect(forgotten).toEqual(['a:1'])
})
