import { expect, test } from 'vitest'
import { refused, unavailable } from '../../hub/cluster-error.ts'
import { RedisSubscriptions, type Subscriber } from './redis-subscriptions.ts'

/** Answers when it is told to, or at once. */
class StubSubscriber implements Subscriber {
  readonly asked: string[] = []
  readonly denied = new Set<string>()
  gate: Promise<void> = Promise.resolve()

  group(): string {
    return ''
  }

  async subscribe(channels: string[]): Promise<void> {
    this.asked.push(`+${channels.join()}`)
    await this.gate
    if (channels.some((channel) => this.denied.has(channel))) throw refused('denied')
  }

  async unsubscribe(channels: string[]): Promise<void> {
    this.asked.push(`-${channels.join()}`)
    await this.gate
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('one that cannot be unsubscribed from does not hold up what is asked for after it', async () => {
  const subscriptions = new RedisSubscriptions(() => {})
  const subscriber = new StubSubscriber()
  await subscriptions.attach(subscriber)
  await subscriptions.want('a')
  const gate = Promise.withResolvers<void>()
  subscriber.gate = gate.promise
  subscriptions.drop('a')
  await turn()
  const later = subscriptions.want('b')
  subscriber.gate = Promise.resolve()
  gate.reject(unavailable('no'))
  await later
  expect(subscriber.asked).toEqual(['+a', '-a', '+b'])
})

test('what an earlier connection answers late counts for nothing', async () => {
  const subscriptions = new RedisSubscriptions(() => {})
  const [early, late] = [new StubSubscriber(), new StubSubscriber()]
  await subscriptions.attach(early)
  const gate = Promise.withResolvers<void>()
  early.gate = gate.promise
  const wanted = subscriptions.want('a')
  await turn()
  subscriptions.detach()
  const attached = subscriptions.attach(late)
  gate.resolve()
  await Promise.all([attached, wanted])
  expect(late.asked).toEqual(['+a'])
  await turn()
  subscriptions.drop('a')
  await turn()
  await turn()
  expect(late.asked).toEqual(['+a', '-a'])
})

test('an attempt that was lost is not in use, and the next one has everything', async () => {
  const subscriptions = new RedisSubscriptions(() => {})
  const [early, late] = [new StubSubscriber(), new StubSubscriber()]
  const gate = Promise.withResolvers<void>()
  early.gate = gate.promise
  const wanted = subscriptions.want('a')
  const failed = subscriptions.attach(early).catch((error: { code: string }) => error.code)
  subscriptions.detach()
  gate.resolve()
  expect(await failed).toBe('CLUSTER_UNAVAILABLE')
  await subscriptions.attach(late)
  await wanted
  expect(late.asked).toEqual(['+a'])
})

test('of many channels the one that is denied is found, told and asked for no more', async () => {
  const told: string[] = []
  const subscriptions = new RedisSubscriptions((channel) => told.push(channel))
  const subscriber = new StubSubscriber()
  subscriber.denied.add('c2')
  const names = ['c0', 'c1', 'c2', 'c3', 'c4']
  const outcomes = names.map((name) =>
    subscriptions.want(name).then(
      () => 'heard',
      (error: { code: string }) => error.code,
    ),
  )
  await subscriptions.attach(subscriber)
  expect(await Promise.all(outcomes)).toEqual(['heard', 'heard', 'CLUSTER_REFUSED', 'heard', 'heard'])
  expect(told).toEqual(['c2'])
  const again = new StubSubscriber()
  await subscriptions.attach(again)
  expect(again.asked).toEqual(['+c0,c1,c3,c4'])
})
