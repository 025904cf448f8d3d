import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Bench, BusRecorder, bytes, type ContractBroker, eventually, outcome } from './cluster-rig.ts'

/** What every bus does. */
export function busContract(broker: () => ContractBroker): void {
  describe('carries messages', () => {
    test('to every subscriber, the publisher included, and to nobody else', async () => {
      await using bench = new Bench(broker())
      const [one, two, three] = [await bench.bus(), await bench.bus(), await bench.bus()]
      await Promise.all([one.bus.subscribe('a'), two.bus.subscribe('a'), three.bus.subscribe('b')])
      await one.bus.publish('a', bytes('hello'))
      await two.bus.publish('b', bytes('other'))
      await eventually(() => one.heard.messages.length + two.heard.messages.length === 2, 'both hear it')
      await eventually(() => three.heard.messages.length === 1, 'the third hears the other')
      expect([one.heard.texts('a'), two.heard.texts('a'), three.heard.texts('b')]).toEqual([
        ['hello'],
        ['hello'],
        ['other'],
      ])
    })

    test('in the order of the calls, each once, at every subscriber', async () => {
      await using bench = new Bench(broker())
      const [one, two] = [await bench.bus(), await bench.bus()]
      await Promise.all([one.bus.subscribe('a'), two.bus.subscribe('a'), two.bus.subscribe('a')])
      const sent = Array.from({ length: 1000 }, (_, index) => `${index}`)
      await Promise.all(sent.map((text) => one.bus.publish('a', bytes(text))))
      await eventually(() => one.heard.messages.length >= 1000, 'the publisher hears all')
      await eventually(() => two.heard.messages.length >= 1000, 'the subscriber hears all')
      await sleep(20)
      expect(one.heard.texts()).toEqual(sent)
      expect(two.heard.texts()).toEqual(sent)
    })

    test('of any bytes, from none to 1 MiB, which are the receiver’s to keep and read before settling', async () => {
      await using bench = new Bench(broker())
      const { bus, heard } = await bench.bus()
      await bus.subscribe('a')
      const all = Uint8Array.from({ length: 256 }, (_, index) => index)
      const large = new Uint8Array(1024 * 1024).fill(0xa5)
      const reused = bytes('first')
      for (const payload of [new Uint8Array(), all, large, reused]) await bus.publish('a', payload)
      reused.fill(0)
      await bus.publish('a', reused)
      await eventually(() => heard.messages.length === 5, 'all arrive')
      expect(heard.messages.map(({ payload }) => payload.length)).toEqual([0, 256, large.length, 5, 5])
      expect([...(heard.messages[1]?.payload ?? [])]).toEqual([...all])
      expect(heard.messages[2]?.payload.every((byte) => byte === 0xa5)).toBe(true)
      expect(heard.texts()[3]).toBe('first')
    })

    test('on channels of any name', async () => {
      await using bench = new Bench(broker())
      const [one, two] = [await bench.bus(), await bench.bus()]
      const names = [
        'a b',
        'room.*',
        'room.>',
        '{x}y',
        '}{',
        'é/日本/🙂',
        '?[a-z]',
        '.',
        'a..b',
        'x'.repeat(512),
      ]
      await Promise.all(names.map((name) => two.bus.subscribe(name)))
      for (const name of [...names, 'room.x', 'rooma']) await one.bus.publish(name, bytes(name))
      await eventually(() => two.heard.messages.length >= names.length, 'all arrive')
      await sleep(20)
      expect(two.heard.messages.map(({ channel }) => channel).sort()).toEqual([...names].sort())
      for (const { channel, payload } of two.heard.messages)
        expect(new TextDecoder().decode(payload)).toBe(channel)
    })

    test('of its own namespace only', async () => {
      await using bench = new Bench(broker())
      await using other = new Bench(broker())
      const [one, stranger] = [await bench.bus(), await other.bus()]
      await Promise.all([one.bus.subscribe('a'), stranger.bus.subscribe('a')])
      await one.bus.publish('a', bytes('mine'))
      await stranger.bus.publish('a', bytes('theirs'))
      await eventually(() => one.heard.messages.length + stranger.heard.messages.length >= 2, 'both arrive')
      expect([one.heard.texts(), stranger.heard.texts()]).toEqual([['mine'], ['theirs']])
    })

    test('and never tells anything from inside a method', async () => {
      await using bench = new Bench(broker())
      const { bus, heard } = await bench.bus()
      const calls: Promise<void>[] = []
      const inside = (call: () => Promise<void> | void) => {
        heard.inside = true
        const promise = call()
        heard.inside = false
        if (promise !== undefined) calls.push(promise)
      }
      inside(() => bus.subscribe('a'))
      for (let index = 0; index < 50; index++) inside(() => bus.publish('a', bytes('x')))
      inside(() => bus.subscribe('b'))
      inside(() => bus.reconnect('the test says so'))
      await Promise.allSettled(calls)
      await eventually(() => heard.states.includes('up'), 'it is back')
      expect(heard.toldInside).toBe(0)
    })
  })

  describe('keeps subscriptions', () => {
    test('that hear whatever is published once `subscribe` has resolved', async () => {
      await using bench = new Bench(broker())
      const [one, two] = [await bench.bus(), await bench.bus()]
      for (let index = 0; index < 50; index++) {
        await two.bus.subscribe(`c${index}`)
        await one.bus.publish(`c${index}`, bytes('x'))
      }
      await eventually(() => two.heard.messages.length === 50, 'none is missed')
    })

    test('until `unsubscribe`, and a `subscribe` that follows wins', async () => {
      await using bench = new Bench(broker())
      const { bus, heard } = await bench.bus()
      await Promise.all([bus.subscribe('a'), bus.subscribe('b'), bus.subscribe('c')])
      bus.unsubscribe('a')
      bus.unsubscribe('never subscribed')
      bus.unsubscribe('b')
      const again = bus.subscribe('b')
      bus.unsubscribe('c')
      const wins = bus.subscribe('c')
      bus.unsubscribe('c')
      await Promise.all([again, outcome(wins), bus.subscribe('end')])
      for (const channel of ['a', 'b', 'c', 'end']) await bus.publish(channel, bytes('x'))
      await eventually(() => heard.texts('end').length === 1, 'the last arrives')
      await sleep(20)
      expect(heard.messages.map(({ channel }) => channel)).toEqual(['b', 'end'])
    })

    test('by the thousand', async () => {
      await using bench = new Bench(broker())
      const { bus, heard } = await bench.bus()
      const channels = Array.from({ length: 3000 }, (_, index) => `c${index}`)
      await Promise.all(channels.map((channel) => bus.subscribe(channel)))
      bus.reconnect('the test says so')
      await eventually(() => heard.states.includes('up'), 'it is back')
      await Promise.all(channels.map((channel) => bus.publish(channel, bytes(channel))))
      await eventually(() => heard.messages.length >= 3000, 'every one is restored')
      expect(new Set(heard.texts()).size).toBe(3000)
      expect(heard.messages.length).toBe(3000)
    })
  })

  describe('when the broker', () => {
    test('is killed: says `down` once, rejects at once, never delivers that, and says `up` when all is in force again', async () => {
      const server = broker()
      await using bench = new Bench(server)
      const [one, two] = [await bench.bus(), await bench.bus()]
      await Promise.all([one.bus.subscribe('a'), two.bus.subscribe('a'), two.bus.subscribe('gone')])
      await server.stop()
      await eventually(() => one.heard.states.length + two.heard.states.length === 2, 'both say so')
      expect(await outcome(one.bus.publish('a', bytes('lost')))).toBe('CLUSTER_UNAVAILABLE')
      const late = two.bus.subscribe('late')
      two.bus.unsubscribe('gone')
      await sleep(100)
      expect(await outcome(one.bus.publish('a', bytes('lost too')))).toBe('CLUSTER_UNAVAILABLE')
      await server.start()
      await late
      await eventually(() => one.heard.states.length + two.heard.states.length === 4, 'both are back')
      for (const channel of ['gone', 'late', 'a']) await one.bus.publish(channel, bytes(`${channel} found`))
      await eventually(() => two.heard.texts('a').length > 0, 'the subscription is in force')
      await eventually(() => one.heard.texts('a').length > 0, 'the other one as well')
      expect(two.heard.texts()).toEqual(['late found', 'a found'])
      expect(one.heard.texts()).toEqual(['a found'])
      expect([one.heard.states, two.heard.states]).toEqual([
        ['down', 'up'],
        ['down', 'up'],
      ])
    }, 30_000)

    test('is killed under load: every publish settles, and what is heard is in order and heard once', async () => {
      const server = broker()
      await using bench = new Bench(server)
      const [one, two] = [await bench.bus(), await bench.bus()]
      await two.bus.subscribe('a')
      const settled: (string | undefined)[] = []
      let sent = 0
      const publish = async () => {
        while (settled.length < 3000) {
          const number = sent++
          settled[number] = (await outcome(one.bus.publish('a', bytes(`${number}`)))) as string | undefined
          if (settled[number] !== undefined) await sleep(1)
          if (one.heard.states.length === 2 && sent > 1500) return
        }
      }
      const load = Promise.all(Array.from({ length: 8 }, publish))
      await eventually(() => two.heard.messages.length > 300, 'it flows')
      await server.stop()
      await sleep(50)
      await server.start()
      await eventually(() => one.heard.states.length === 2 && two.heard.states.length === 2, 'both are back')
      await load
      const numbers = two.heard.texts().map(Number)
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
      for (const number of numbers) expect(settled[number]).not.toBe('CLUSTER_UNAVAILABLE')
      const codes = new Set(settled.filter((code) => code !== undefined))
      for (const code of codes) expect(['CLUSTER_UNAVAILABLE', 'CLUSTER_UNCERTAIN']).toContain(code)
    }, 30_000)

    test('stops answering: finds out within 10 s, and delivers nothing late that it had rejected', async () => {
      const server = broker()
      await using bench = new Bench(server)
      const [one, two] = [await bench.bus(), await bench.bus()]
      await Promise.all([one.bus.subscribe('a'), two.bus.subscribe('a')])
      await server.pause()
      try {
        const underWay = outcome(one.bus.publish('a', bytes('under way')))
        await eventually(() => one.heard.states.length === 1 && two.heard.states.length === 1, 'down', 10_000)
        expect(await underWay).toBe('CLUSTER_UNCERTAIN')
        expect(await outcome(one.bus.publish('a', bytes('lost')))).toBe('CLUSTER_UNAVAILABLE')
      } finally {
        await server.resume()
      }
      await eventually(() => one.heard.states.length === 2 && two.heard.states.length === 2, 'up')
      await one.bus.publish('a', bytes('found'))
      await eventually(() => two.heard.texts().includes('found'), 'the subscription is in force')
      await eventually(() => one.heard.texts().includes('found'), 'the other one as well')
      for (const { heard } of [one, two]) {
        expect(heard.texts().filter((text) => text !== 'under way')).toEqual(['found'])
        expect(heard.texts().filter((text) => text === 'under way').length).toBeLessThan(2)
        expect(heard.states).toEqual(['down', 'up'])
      }
    }, 40_000)

    test('is out of reach of one node: that one says so, the others go on', async () => {
      await using bench = new Bench(broker())
      const way = bench.broker.way()
      const [far, near] = [await bench.bus(way), await bench.bus()]
      await Promise.all([far.bus.subscribe('a'), near.bus.subscribe('a')])
      way.cut()
      await eventually(() => far.heard.states.length === 1, 'it says so')
      await near.bus.publish('a', bytes('unheard'))
      expect(await outcome(far.bus.publish('a', bytes('unsaid')))).toBe('CLUSTER_UNAVAILABLE')
      way.heal()
      await eventually(() => far.heard.states.length === 2, 'it is back')
      await near.bus.publish('a', bytes('heard'))
      await eventually(() => far.heard.messages.length > 0, 'it hears again')
      expect(far.heard.texts()).toEqual(['heard'])
      expect(near.heard.texts()).toEqual(['unheard', 'heard'])
      expect(near.heard.states).toEqual([])
    }, 30_000)
  })

  describe('connects anew', () => {
    test('when it is told to: `down`, then `up`, with every subscription', async () => {
      await using bench = new Bench(broker())
      const [one, two] = [await bench.bus(), await bench.bus()]
      await one.bus.subscribe('a')
      for (let round = 1; round <= 3; round++) {
        one.bus.reconnect('the test says so')
        await eventually(() => one.heard.states.length === 2 * round, 'it is back')
        await two.bus.publish('a', bytes(`${round}`))
        await eventually(() => one.heard.messages.length === round, 'it hears')
      }
      expect(one.heard.states).toEqual(['down', 'up', 'down', 'up', 'down', 'up'])
      expect(one.heard.texts()).toEqual(['1', '2', '3'])
    })

    test('until there is a broker: `start` gives up, the bus does not', async () => {
      await using bench = new Bench(broker())
      const way = bench.broker.way()
      way.cut()
      const { bus } = bench.cluster(way)
      const heard = new BusRecorder()
      const subscribed = bus.subscribe('a')
      expect(await outcome(bus.start(heard, 200))).toBe('CLUSTER_UNAVAILABLE')
      await eventually(() => heard.states.length === 1, 'it is down')
      expect(await outcome(bus.publish('a', bytes('x')))).toBe('CLUSTER_UNAVAILABLE')
      way.heal()
      await subscribed
      await eventually(() => heard.states.length === 2, 'it is up')
      await bus.publish('a', bytes('x'))
      await eventually(() => heard.messages.length === 1, 'it hears')
      expect(heard.states).toEqual(['down', 'up'])
    }, 30_000)
  })

  describe('closes', () => {
    test('twice, and tells nothing from then on', async () => {
      await using bench = new Bench(broker())
      const [one, two] = [await bench.bus(), await bench.bus()]
      await Promise.all([one.bus.subscribe('a'), two.bus.subscribe('a')])
      const waiting = outcome(one.bus.subscribe('b'))
      await Promise.all([one.bus.close(), one.bus.close()])
      await one.bus.close()
      await waiting
      await two.bus.publish('a', bytes('x'))
      await eventually(() => two.heard.messages.length === 1, 'the other hears it')
      expect([one.heard.messages, one.heard.states]).toEqual([[], []])
      expect(await outcome(one.bus.publish('a', bytes('x')))).toBe('CLUSTER_UNAVAILABLE')
      expect(await outcome(one.bus.subscribe('c'))).toBe('CLUSTER_UNAVAILABLE')
    })

    test('before and during `start`, which then rejects', async () => {
      await using bench = new Bench(broker())
      const before = bench.cluster().bus
      await before.close()
      expect(await outcome(before.start(new BusRecorder(), 5_000))).toBe('CLUSTER_UNAVAILABLE')
      const way = bench.broker.way()
      way.cut()
      const { bus: during, history } = bench.cluster(way)
      // Another part goes on trying.
      const other = outcome(history?.start(20_000) ?? Promise.resolve())
      const started = outcome(during.start(new BusRecorder(), 20_000))
      const subscribed = outcome(during.subscribe('a'))
      await sleep(50)
      await during.close()
      const closed = Promise.all([started, subscribed])
      expect(await Promise.race([closed, sleep(5_000)])).toEqual([
        'CLUSTER_UNAVAILABLE',
        'CLUSTER_UNAVAILABLE',
      ])
      await history?.close()
      await other
    })
  })
}
