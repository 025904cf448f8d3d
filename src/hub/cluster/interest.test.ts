import { expect, test } from 'vitest'
import { VirtualClock } from '../contract/virtual-clock.ts'
import { Interest } from './interest.ts'

/** A bus whose subscriptions are answered when the test says so. */
function rig() {
  const clock = new VirtualClock()
  const asked: { resolve: () => void; reject: (error: Error) => void }[] = []
  const gone: string[] = []
  const bus = {
    subscribe: () => new Promise<void>((resolve, reject) => asked.push({ resolve, reject })),
    unsubscribe: (channel: string) => void gone.push(channel),
  }
  return { clock, asked, gone, interest: new Interest(bus, clock, 1_000) }
}

test('tells when a channel is heard, at once when it is, and not whoever has given up', async () => {
  const { clock, asked, interest } = rig()
  const told: string[] = []
  interest.listen('x', () => told.push('first'))
  interest.listen('x', () => told.push('never'))()
  expect([asked.length, told]).toEqual([1, []])
  asked[0]?.resolve()
  await clock.settle()
  expect(told).toEqual(['first'])
  interest.listen('x', () => told.push('later'))
  expect(told).toEqual(['first', 'later'])
})

test('lets a channel go a while after it was dropped, unless it is wanted again', async () => {
  const { clock, asked, gone, interest } = rig()
  void interest.want('x')
  interest.drop('x')
  await clock.advance(900)
  void interest.want('x')
  await clock.advance(5_000)
  expect(gone).toEqual([])
  interest.drop('x')
  await clock.advance(1_000)
  expect([gone, interest.size]).toEqual([['x'], 0])
  // What is answered after that is of no use to who wants it by now.
  const told: string[] = []
  interest.listen('x', () => told.push('heard'))
  asked[0]?.resolve()
  await clock.settle()
  expect(told).toEqual([])
  asked[1]?.resolve()
  await clock.settle()
  expect(told).toEqual(['heard'])
})

test('a channel that was not permitted is asked for anew', async () => {
  const { clock, asked, interest } = rig()
  const refused = interest.want('x').catch((error: Error) => error.message)
  asked[0]?.reject(new Error('not permitted'))
  expect(await refused).toBe('not permitted')
  await clock.settle()
  expect(interest.size).toBe(0)
  const heard = interest.want('x')
  asked[1]?.resolve()
  await heard
})
