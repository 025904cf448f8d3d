import { setImmediate as step } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Bench, BusRecorder, bytes, eventually, outcome, patience } from '../../hub/contract/cluster-rig.ts'
import { launchNats } from './contract/nats-servers.ts'
import { NatsBus } from './nats-bus.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { NatsLink } from './nats-link.ts'
import { NatsPlaces } from './nats-places.ts'

const me = { username: 'me', password: 'x' }

/** A user who may not hear channels of this name. */
function withoutHearing(channel: string): string {
  const permissions = `{ subscribe: { deny: ["*.c.${channel}"] } }`
  return `authorization { users: [{ user: "me", password: "x", permissions: ${permissions} }] }`
}

test('subscriptions beyond what the server allows are refused, each of them, and the others hear', async () => {
  const broker = await launchNats({}, 'max_subscriptions: 5')
  try {
    await using bench = new Bench(broker)
    const { bus, heard } = await bench.bus()
    const names = Array.from({ length: 9 }, (_, index) => `c${index}`)
    const ended = await Promise.all(names.map((name) => outcome(bus.subscribe(name))))
    expect(ended.filter((end) => end === undefined).length).toBe(5)
    expect(ended.filter((end) => end === 'CLUSTER_REFUSED').length).toBe(4)
    for (const name of names) await bus.publish(name, bytes(name))
    const inForce = names.filter((_, index) => ended[index] === undefined)
    await eventually(() => heard.texts().length === 5, 'those that are in force hear')
    expect(heard.texts().sort()).toEqual(inForce)
    expect(heard.states).toEqual([])
    // What is given up makes room.
    bus.unsubscribe(inForce[0] as string)
    await bus.subscribe('another')
    expect(await outcome(bus.subscribe('one more'))).toBe('CLUSTER_REFUSED')
  } finally {
    await broker.dispose()
  }
})

test('a permission that is withdrawn from a channel in force is told as `down`', async () => {
  const broker = await launchNats(me, withoutHearing('other'))
  try {
    await using bench = new Bench(broker)
    const { bus, heard } = await bench.bus()
    await Promise.all([bus.subscribe('a'), bus.subscribe('b')])
    broker.server.reload(withoutHearing('a'))
    await eventually(() => heard.states.join() === 'down,up', 'it is told')
    expect(bench.lines.some((line) => line.includes('"channel":"a"'))).toBe(true)
    await bus.publish('b', bytes('x'))
    await eventually(() => heard.texts('b').length === 1, 'the other channel is heard')
    expect(await outcome(bus.subscribe('a'))).toBe('CLUSTER_REFUSED')
    broker.server.reload(withoutHearing('other'))
    for (let ended: unknown = 'CLUSTER_REFUSED'; ended !== undefined; ) {
      ended = await outcome(bus.subscribe('a'))
    }
    await bus.publish('a', bytes('x'))
    await eventually(() => heard.texts('a').length === 1, 'it is heard again once it is permitted')
  } finally {
    await broker.dispose()
  }
})

test('a channel that is wanted while it connects, and is not permitted, does not keep the others from being heard', async () => {
  const broker = await launchNats(me, withoutHearing('secret'))
  try {
    await using bench = new Bench(broker)
    const { bus } = bench.cluster()
    const heard = new BusRecorder()
    const wanted = ['a', 'secret', 'b'].map((name) => outcome(bus.subscribe(name)))
    await bus.start(heard, patience)
    expect(await Promise.all(wanted)).toEqual([undefined, 'CLUSTER_REFUSED', undefined])
    for (const name of ['a', 'b']) await bus.publish(name, bytes(name))
    await eventually(() => heard.texts().length === 2, 'the others hear')
    bus.reconnect('the test says so')
    const again = outcome(bus.subscribe('secret'))
    await eventually(() => heard.states.join() === 'down,up', 'it is back')
    expect(await again).toBe('CLUSTER_REFUSED')
  } finally {
    await broker.dispose()
  }
})

test('a channel that is asked for when all others are just in force is not taken for one of them', async () => {
  const subscribed: string[] = []
  let answer = () => {}
  const connection = {
    subscribe: (subject: string) => {
      subscribed.push(subject)
      return { unsubscribe() {} }
    },
    objection: () => new Promise<null>((resolve) => (answer = () => resolve(null))),
  } as unknown as NatsConnection
  const log = { warn() {}, info() {} }
  const link = { options: { namespace: 'n', log }, up: false, open: async () => {} } as unknown as NatsLink
  const bus = new NatsBus(link, new NatsPlaces())
  const resolved: string[] = []
  const subscribe = (channel: string) => void bus.subscribe(channel).then(() => resolved.push(channel))
  subscribe('early')
  const attached = bus.attach(connection)
  answer()
  await attached
  subscribe('late')
  bus.stand(connection)
  await step()
  expect([subscribed, resolved]).toEqual([['n.c.early', 'n.c.late'], ['early']])
  answer()
  await step()
  expect(resolved).toEqual(['early', 'late'])
})

test('a publish that was denied is taken as soon as it is permitted', async () => {
  const user = (permissions: string) =>
    `authorization { users: [{ user: "me", password: "x", permissions: { publish: ${permissions} } }] }`
  const broker = await launchNats(me, user('{ deny: ["*.c.a"] }'))
  try {
    await using bench = new Bench(broker)
    const { bus, heard } = await bench.bus()
    await bus.subscribe('a')
    expect(await outcome(bus.publish('a', bytes('x')))).toBe('CLUSTER_REFUSED')
    broker.server.reload(user('{ deny: ["*.c.b"] }'))
    for (let ended: unknown = 'CLUSTER_REFUSED'; ended !== undefined; ) {
      ended = await outcome(bus.publish('a', bytes('x')))
    }
    await eventually(() => heard.texts('a').length === 1, 'it is heard')
    expect(heard.states).toEqual([])
  } finally {
    await broker.dispose()
  }
})

test('what waits for a server that has stopped is bounded also when it is empty', async () => {
  const broker = await launchNats()
  try {
    await using bench = new Bench(broker)
    const { bus, heard } = await bench.bus()
    await broker.pause()
    for (let sent = 0; sent < 140_000; sent++) void bus.publish('a', new Uint8Array()).catch(() => {})
    expect(await outcome(bus.publish('a', new Uint8Array()))).toBe('CLUSTER_UNAVAILABLE')
    expect(heard.states).toEqual([])
    await broker.resume()
  } finally {
    await broker.dispose()
  }
})
