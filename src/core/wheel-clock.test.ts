import { expect, test } from 'vitest'
import { Timer } from './timer-wheel.ts'
import { WheelClock } from './wheel-clock.ts'

/** A runtime whose time passes when it is told to. */
function start() {
  let now = 0
  let alarm: { readonly ring: () => void; readonly at: number } | null = null
  const clock = new WheelClock<object>({
    now: () => now,
    set(ring, milliseconds) {
      alarm = { ring, at: now + milliseconds }
      return alarm
    },
    clear() {
      alarm = null
    },
  })
  const fired: string[] = []
  const timer = (name: string) => new Timer<string>(name, (owner) => fired.push(`${owner} at ${now}`))
  /** Rings what is due on the way, unless the process stands still until then. */
  const pass = (until: number, still = false) => {
    if (still) now = until
    while (alarm !== null && alarm.at <= until) {
      now = Math.max(now, alarm.at)
      const { ring } = alarm
      alarm = null
      ring()
    }
    now = until
  }
  return { clock, fired, timer, pass }
}

test('timers fire when they are due, with one timer of the runtime', () => {
  const { clock, fired, timer, pass } = start()
  clock.schedule(timer('later'), 900)
  clock.schedule(timer('sooner'), 100)
  const never = timer('never')
  clock.schedule(never, 500)
  clock.cancel(never)
  pass(2_000)
  expect(fired).toEqual(['sooner at 100', 'later at 900'])
})

test('a timer of the runtime that is late by less than a second fires what is due', () => {
  const { clock, fired, timer, pass } = start()
  clock.schedule(timer('due'), 100)
  pass(1_000, true)
  expect(fired).toEqual(['due at 1000'])
})

test('after the process stood still nothing fires before what came meanwhile could be read', () => {
  const { clock, fired, timer, pass } = start()
  clock.schedule(timer('due'), 100)
  const answered = timer('answered')
  clock.schedule(answered, 150)
  pass(5_000, true)
  expect(fired).toEqual([])
  // What is read schedules deadlines of its own, which brings nobody's forward.
  clock.schedule(timer('new'), 50)
  clock.cancel(answered)
  pass(5_249)
  expect(fired).toEqual([])
  pass(5_250)
  expect(fired.sort()).toEqual(['due at 5250', 'new at 5250'])
  clock.schedule(timer('next'), 100)
  pass(6_000)
  expect(fired.at(-1)).toBe('next at 5350')
})
