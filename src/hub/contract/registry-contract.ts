import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Bench, type BenchNode, type ContractBroker, eventually, outcome, quickLease } from './cluster-rig.ts'

const { beat, suspect, dead } = quickLease

function sees(node: BenchNode, ...others: string[]): () => boolean {
  return () => node.others.join() === others.sort().join()
}

/** What every registry does. */
export function registryContract(broker: () => ContractBroker): void {
  describe('knows the nodes', () => {
    test('that were there, before `start` resolves, and itself', async () => {
      await using bench = new Bench(broker())
      const a = await bench.node('a')
      const b = await bench.node('b')
      expect(b.told).toEqual(['joined a'])
      expect(b.others).toEqual(['a'])
      expect(b.self).toMatchObject({ id: 'b', address: '10.0.0.1:1', state: 'active', connections: 0 })
      expect(b.registry.nodes().find(({ id }) => id === 'b')).toEqual(b.self)
      expect(b.registry.nodes().find(({ id }) => id === 'a')).toEqual(a.self)
      await eventually(sees(a, 'b'), 'the first sees the second')
      expect(a.told).toEqual(['joined b'])
    })

    test('of its own namespace only', async () => {
      await using bench = new Bench(broker())
      await using other = new Bench(broker())
      await other.node('stranger')
      const a = await bench.node('a')
      await sleep(2 * beat)
      expect(a.others).toEqual([])
    })

    test('and what changes of them, soon when asked to, and then with the beat', async () => {
      await using bench = new Bench(broker())
      const [a, b] = [await bench.node('a'), await bench.node('b')]
      await eventually(sees(a, 'b'), 'the first sees the second')
      b.facts = { ...b.facts, state: 'draining' }
      for (let index = 0; index < 100; index++) b.registry.changed()
      await eventually(() => a.told.includes('changed b draining 0'), 'the state is told')
      b.facts = { ...b.facts, connections: 7 }
      await eventually(() => a.told.includes('changed b draining 7'), 'the count comes with a beat')
      expect(a.registry.nodes().find(({ id }) => id === 'b')).toMatchObject({
        state: 'draining',
        connections: 7,
      })
    })

    test('that say goodbye: they have left at once, and once', async () => {
      await using bench = new Bench(broker())
      const [a, b] = [await bench.node('a'), await bench.node('b')]
      await eventually(sees(a, 'b'), 'the first sees the second')
      await b.registry.close()
      await eventually(sees(a), 'it is gone', beat + 300)
      await sleep(dead + 2 * beat)
      expect(a.told).toEqual(['joined b', 'left b closed'])
      const again = await bench.node('b')
      await eventually(sees(a, 'b'), 'it is back')
      expect(a.told).toEqual(['joined b', 'left b closed', 'joined b'])
      expect(again.self?.incarnation).toBeGreaterThan(b.self?.incarnation as number)
    })
  })

  describe('judges silence', () => {
    test('a node that is silent for a while is suspected, and recovers', async () => {
      await using bench = new Bench(broker())
      const way = bench.broker.way()
      const [a, b] = [await bench.node('a'), await bench.node('b', way)]
      await eventually(sees(a, 'b'), 'the first sees the second')
      way.cut()
      await eventually(() => a.told.includes('suspected b'), 'it is suspected', suspect + 4 * beat)
      expect(a.others).toEqual(['b'])
      way.heal()
      await eventually(() => a.told.includes('recovered b'), 'it is heard again')
      expect(a.of('b')).toEqual(['joined', 'suspected', 'recovered'])
      await eventually(() => b.told.includes('up -'), 'the store is back')
      expect(b.told).toEqual(['joined a', 'down -', 'up -'])
    }, 30_000)

    test('one that is silent for longer has left, finds out, and comes back as another life', async () => {
      await using bench = new Bench(broker())
      const way = bench.broker.way()
      const a = await bench.node('a')
      const [b, c] = [await bench.node('b', way), await bench.node('c')]
      await eventually(sees(a, 'b', 'c'), 'the first sees both')
      const first = b.self?.incarnation as number
      const cutAt = performance.now()
      way.cut()
      await eventually(sees(a, 'c'), 'it is gone')
      expect(performance.now() - cutAt).toBeGreaterThan(dead - beat)
      expect(performance.now() - cutAt).toBeLessThan(dead + 4 * beat)
      await eventually(sees(c, 'a'), 'it is gone for the other as well')
      expect(b.doubts).toBe(1)
      way.heal()
      await eventually(sees(a, 'b', 'c'), 'it is back')
      await eventually(sees(c, 'a', 'b'), 'it is back for the other as well')
      expect(a.of('b')).toEqual(['joined', 'suspected', 'left dead', 'joined'])
      expect(c.of('b').at(-2)).toEqual('left dead')
      await eventually(() => b.told.includes('up -'), 'it is told')
      expect(b.of('-')).toEqual(['down', 'lost expired', 'regained', 'up'])
      expect(b.told.filter((line) => /left|suspected/.test(line))).toEqual([])
      expect(b.self?.incarnation).toBeGreaterThan(first)
      expect(a.incarnations.at(-1)).toBe(b.self?.incarnation)
    }, 30_000)
  })

  describe('fences', () => {
    test('a second one of the same id takes the lease, and the first does not fight', async () => {
      await using bench = new Bench(broker())
      const [a, first] = [await bench.node('a'), await bench.node('b')]
      await eventually(sees(a, 'b'), 'it is seen')
      const second = await bench.node('b')
      expect(second.self?.incarnation).toBeGreaterThan(first.self?.incarnation as number)
      await eventually(() => first.told.includes('lost - replaced'), 'the first is told')
      await sleep(dead)
      expect(a.of('b')).toEqual(['joined', 'left replaced', 'joined'])
      expect(a.incarnations).toEqual([first.self?.incarnation, second.self?.incarnation])
      expect(first.of('-')).toEqual(['lost replaced'])
      expect(second.of('-')).toEqual([])
      expect(second.registry.nodes().map(({ id }) => id)).toContain('b')
      await first.registry.close()
      await sleep(2 * beat)
      expect(a.others).toEqual(['b'])
    })

    test('one that comes back from a partition after another took its place stays out', async () => {
      await using bench = new Bench(broker())
      const way = bench.broker.way()
      const [a, first] = [await bench.node('a'), await bench.node('b', way)]
      await eventually(sees(a, 'b'), 'it is seen')
      way.cut()
      await eventually(sees(a), 'it is dead')
      const second = await bench.node('b')
      await eventually(sees(a, 'b'), 'the second is seen')
      way.heal()
      await eventually(() => first.told.includes('lost - replaced'), 'the first is told')
      await sleep(4 * beat)
      expect(a.of('b')).toEqual(['joined', 'suspected', 'left dead', 'joined'])
      expect(a.incarnations.at(-1)).toBe(second.self?.incarnation)
      expect(second.of('-')).toEqual([])
    }, 30_000)

    test('twenty that start at once are all seen by all, each once', async () => {
      await using bench = new Bench(broker())
      const names = Array.from({ length: 20 }, (_, index) => `n${index + 10}`)
      const nodes = await Promise.all(names.map((name) => bench.node(name)))
      await eventually(() => nodes.every((node) => node.others.length === 19), 'all see all')
      await sleep(2 * beat)
      for (const node of nodes) {
        expect([...node.told].sort()).toEqual(
          names.filter((name) => name !== node.id).map((name) => `joined ${name}`),
        )
      }
    })
  })

  describe('when the store', () => {
    test('is killed for longer than a node may be silent: nobody is dead for that', async () => {
      const server = broker()
      await using bench = new Bench(server)
      const nodes = [await bench.node('a'), await bench.node('b'), await bench.node('c')]
      await eventually(() => nodes.every((node) => node.others.length === 2), 'all see all')
      await server.stop()
      await eventually(() => nodes.every((node) => node.told.includes('down -')), 'all say so')
      await sleep(dead + 2 * beat)
      for (const node of nodes) {
        expect(node.others.length).toBe(2)
        expect(node.told.filter((line) => /left|suspected|lost/.test(line))).toEqual([])
      }
      await server.start()
      await eventually(() => nodes.every((node) => node.told.includes('up -')), 'all say so')
      await eventually(() => nodes.every((node) => node.others.length === 2), 'all see all again')
      await sleep(4 * beat)
      for (const node of nodes) {
        expect(node.others.length).toBe(2)
        // A store that has lost its memory gives everybody a new life; nobody is taken for dead.
        expect(node.told.filter((line) => /dead|closed|lost - replaced/.test(line))).toEqual([])
        // A store of several servers may come and go until all of them are back.
        const states = node.of('-').filter((line) => line === 'down' || line === 'up')
        expect(states).toEqual(states.map((_, index) => (index % 2 === 0 ? 'down' : 'up')))
        expect(states.at(-1)).toBe('up')
        for (const other of nodes) {
          const record = node.registry.nodes().find(({ id }) => id === other.id)
          expect(record?.incarnation).toBe(other.self?.incarnation)
        }
      }
    }, 100_000)

    test('stops answering: says so, and nobody is dead for that', async () => {
      const server = broker()
      await using bench = new Bench(server)
      const nodes = [await bench.node('a'), await bench.node('b')]
      await eventually(() => nodes.every((node) => node.others.length === 1), 'all see all')
      await server.pause()
      try {
        await eventually(() => nodes.every((node) => node.told.includes('down -')), 'all say so', 10_000)
        await sleep(dead)
      } finally {
        await server.resume()
      }
      await eventually(() => nodes.every((node) => node.told.includes('up -')), 'all say so')
      await sleep(3 * beat)
      for (const node of nodes) {
        expect(node.others.length).toBe(1)
        expect(node.told.filter((line) => /left|lost/.test(line))).toEqual([])
      }
    }, 40_000)

    test('is out of reach at the start: `start` gives up, the registry does not', async () => {
      await using bench = new Bench(broker())
      const way = bench.broker.way()
      way.cut()
      const [a, b] = [bench.unstarted('a', way), await bench.node('b')]
      expect(await outcome(a.start(200))).toBe('CLUSTER_UNAVAILABLE')
      await eventually(() => a.told.includes('down -'), 'it is down')
      way.heal()
      await eventually(sees(b, 'a'), 'it is seen')
      await eventually(sees(a, 'b'), 'it sees')
      await eventually(() => a.told.includes('up -'), 'it is up')
      expect(a.of('-')).toEqual(['down', 'regained', 'up'])
    }, 30_000)
  })

  test('closes twice, and before `start`, which then rejects', async () => {
    await using bench = new Bench(broker())
    const a = bench.unstarted('a')
    await a.registry.close()
    expect(await outcome(a.start())).toBe('CLUSTER_UNAVAILABLE')
    const b = await bench.node('b')
    await Promise.all([b.registry.close(), b.registry.close()])
    expect(b.told).toEqual([])
  })
}
