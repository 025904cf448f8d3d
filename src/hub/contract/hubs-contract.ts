import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ContractBroker, eventually } from './cluster-rig.ts'
import { HubStage, type StageNode } from './hub-stage.ts'

/** Real hubs with real clients over a real broker act as one. */
export function hubsContract(name: string, launch: () => Promise<ContractBroker>): void {
  describe(`hubs over ${name}`, () => {
    let broker: ContractBroker
    beforeAll(async () => {
      broker = await launch()
    }, 60_000)
    afterAll(() => broker.dispose())

    const stage = async (...names: string[]) => {
      const started = await HubStage.start(broker, names)
      return { started, nodes: started.nodes as [StageNode, StageNode, StageNode] }
    }

    test('a message to a room, a user and everybody arrives at each node, in order, once', async () => {
      const { started, nodes } = await stage('a', 'b', 'c')
      await using _ = started
      const [a, b, c] = nodes
      const [one, two, three] = await Promise.all([
        a.open('ann', 'lobby'),
        b.open('bob', 'lobby'),
        c.open('ann', 'other'),
      ])
      await started.reach(b, 'lobby', one, two)
      await started.reach(a, 'other', three)
      const texts = Array.from({ length: 50 }, (_, index) => `m${index}`)
      const sender = a.connections.get('ann')
      const sent = texts.map((text) => a.hub.room('lobby').send(text, { except: sender?.id ?? '' }))
      expect(await Promise.all(sent)).toEqual(
        texts.map(() => ({ local: 0, dropped: 0, status: 'relayed', position: null })),
      )
      await eventually(() => two.got.length >= 50, 'bob has all')
      expect(two.got).toEqual(texts)
      expect(await b.hub.room('lobby').send(new Uint8Array([1, 2, 3]))).toMatchObject({ local: 1 })
      await eventually(() => one.got.length > 0, 'ann has it')
      expect(one.got).toEqual([new Uint8Array([1, 2, 3])])
      expect(three.got).toEqual([])

      one.got.splice(0)
      await eventually(() => {
        void b.hub.user('ann').send('devices')
        return [one, three].every(({ got }) => got.includes('devices'))
      }, 'both devices of a user hear it')
      await b.hub.everybody.send('all of you')
      await eventually(() => [one, two, three].every(({ got }) => got.includes('all of you')), 'everybody')
      expect(two.got).not.toContain('devices')
      expect(await c.hub.user('ann').count()).toMatchObject({ total: 2, missing: [] })
      expect(await c.hub.room('lobby').count()).toMatchObject({ total: 2, missing: [] })
      expect(c.hub.stats().cluster).toMatchObject({ nodes: 3, ready: true })
    }, 30_000)

    test('a node that is ready is known to the others', async () => {
      const { started, nodes } = await stage('a')
      await using _ = started
      const { hub } = nodes[0]
      for (const name of ['b', 'c', 'd', 'e']) {
        const node = await started.add(name)
        await eventually(() => node.hub.ready(), `${name} is ready`)
        expect(hub.nodes().map(({ id }) => id)).toContain(name)
        const { results, missing } = await hub.ask('app:none')
        expect([results, missing.find((each) => each.node === name)?.reason]).toEqual([[], 'unknown'])
      }
    }, 30_000)

    test('a node that nobody is connected to is told who is, too', async () => {
      const { started, nodes } = await stage('a', 'b')
      await using _ = started
      const ann = await nodes[0].open('ann')
      await eventually(() => nodes[1].told.includes('online ann'), 'she is there')
      await ann.close()
      await eventually(() => nodes[1].told.includes('offline ann'), 'she is gone')
    }, 30_000)

    test('a connection elsewhere is sent to, moved and closed; one that is nowhere is gone', async () => {
      const { started, nodes } = await stage('a', 'b')
      await using _ = started
      const [a, b] = nodes
      const far = await b.open('bob')
      await eventually(() => b.connections.has('bob'), 'bob is in')
      const { id } = b.connections.get('bob') as { id: string }
      expect(await a.hub.connection(id).send('you')).toMatchObject({
        local: 0,
        status: 'relayed',
        position: null,
      })
      await eventually(() => far.got.includes('you'), 'it has it')
      await a.hub.connection(id).join('den')
      await eventually(() => b.hub.room('den').localCount === 1, 'it is in the room')
      await a.hub.user('bob').leave('den')
      await eventually(() => b.hub.room('den').localCount === 0, 'it is out of it')
      await a.hub.connection(id).close(4001, 'from afar')
      await eventually(() => far.closed !== null, 'it is closed')
      expect(far.closed).toEqual({ code: 4001, reason: 'from afar' })
      expect(await a.hub.connection('nobody.x').send('you')).toMatchObject({ local: 0, status: 'gone' })
      await eventually(() => b.hub.connection(id).localCount === 0, 'it is out of its node')
      expect(await b.hub.connection(id).send('you')).toMatchObject({ local: 0, status: 'gone' })
    }, 30_000)

    test('nodes tell and ask each other; who cannot answer is missing, with the reason', async () => {
      const { started, nodes } = await stage('a', 'b', 'c')
      await using _ = started
      const [a, b, c] = nodes
      const heard: unknown[] = []
      for (const { hub } of nodes) hub.on('app:news', (value, from) => heard.push([hub.node, value, from]))
      b.hub.on('app:news', () => {
        throw new Error('a listener of the program fails')
      })
      expect((await a.hub.emit('app:news', { x: 1 })).status).toBe('relayed')
      await eventually(() => heard.length === 2, 'the others have heard it')
      expect(heard.sort()).toEqual([
        ['b', { x: 1 }, 'a'],
        ['c', { x: 1 }, 'a'],
      ])
      a.hub.answer('app:twice', (value) => Number(value) * 2)
      b.hub.answer('app:twice', async (value) => Number(value) * 2)
      c.hub.answer('app:twice', () => {
        throw new Error('an answer of the program fails')
      })
      const { results, missing } = await a.hub.ask('app:twice', 21)
      expect(results.map(({ node, value }) => [node, value]).sort()).toEqual([
        ['a', 42],
        ['b', 42],
      ])
      expect(missing).toEqual([{ node: 'c', reason: 'failed' }])
    }, 30_000)

    test('presence: users, once, over all nodes; a node that closes takes its own with it at once', async () => {
      const { started, nodes } = await stage('a', 'b', 'c')
      await using _ = started
      const [a, b, c] = nodes
      const watcher = await a.open('watcher', 'p-room')
      await started.knows(a, 'p-room')
      const first = await b.open('ann', 'p-room')
      await eventually(() => a.told.includes('join p-room ann'), 'ann is there')
      const second = await c.open('ann', 'p-room')
      for (let user = 0; user < 5; user++) await c.open(`u${user}`, 'p-room')
      const { presence } = a.hub.room('p-room')
      await eventually(() => a.told.includes('join p-room u4'), 'all are there')
      expect(await presence.count()).toEqual({ count: 7, missing: [] })
      await eventually(() => b.hub.room('p-room').localCount === 1, 'ann is at b')
      expect(await presence.devices('ann')).toEqual({ count: 2, missing: [] })
      const pages: string[][] = []
      for (let after: number | null = 0; after !== null; ) {
        const page: { users: readonly string[]; next: number | null } = await presence.list({
          after,
          limit: 3,
        })
        pages.push([...page.users])
        after = page.next
      }
      expect(pages.map(({ length }) => length)).toEqual([3, 3, 1])
      expect(pages.flat().sort()).toEqual(['ann', 'u0', 'u1', 'u2', 'u3', 'u4', 'watcher'])
      expect(await a.hub.presence.count()).toEqual({ count: 7, missing: [] })

      await first.close()
      await second.close()
      const again = await b.open('ann', 'p-room')
      await sleep(700)
      expect(a.told.filter((line) => line.endsWith('p-room ann'))).toEqual(['join p-room ann'])

      const before = performance.now()
      await c.hub.close()
      await eventually(() => a.told.includes('left c closed'), 'c has left')
      await eventually(() => a.told.includes('leave p-room u4'), 'its users have left')
      // The grace, and a beat or two; far from the 1.8 s after which a node is dead, and never silent.
      expect(performance.now() - before).toBeLessThan(1_750 + 2_000)
      await eventually(() => a.told.includes('offline u4'), 'they are offline')
      expect(await presence.count()).toEqual({ count: 2, missing: [] })
      expect(a.told.filter((line) => line === 'join p-room u3')).toHaveLength(1)
      expect([watcher.closed, again.closed]).toEqual([null, null])
    }, 30_000)

    test('history: whoever comes back at another node goes on without a hole, and nothing twice', async () => {
      const { started, nodes } = await stage('a', 'b')
      await using _ = started
      const [a, b] = nodes
      const first = await a.open('ann', 'h-room', 'null')
      const other = await b.open('bob', 'h-room', 'null')
      await eventually(() => [a, b].every(({ told }) => told.includes('recovered 0 all')), 'both are in')
      let sent = 0
      const send = () => [a, b][sent % 2]?.hub.room('h-room').send(`m${sent++}`)
      const results = await Promise.all(Array.from({ length: 40 }, send))
      expect(new Set(results.map((result) => result?.status))).toEqual(new Set(['relayed']))
      await eventually(() => first.stamped.length === 40 && other.stamped.length === 40, 'both have all')
      await first.close()
      await Promise.all(Array.from({ length: 40 }, send))

      // Comes back at the other node while there is traffic.
      const { epoch, offset } = first.stamped.at(-1) as { epoch: string; offset: number }
      const traffic = (async () => {
        for (let more = 0; more < 40; more++) {
          void send()
          await sleep(2)
        }
      })()
      const back = await b.open('ann', 'h-room', JSON.stringify({ epoch, offset }))
      await traffic
      await eventually(() => other.stamped.length === 120, 'the other has all')
      await eventually(() => back.stamped.length >= 80, 'it has what it missed')
      const offsets = [...first.stamped, ...back.stamped].map((message) => message.offset)
      expect(offsets).toEqual(Array.from({ length: 120 }, (_, index) => index + 1))
      expect(b.told.filter((line) => line.startsWith('recovered')).at(-1)).toMatch(/^recovered \d+ all$/)
      expect(new Set([...first.stamped, ...back.stamped].map(({ text }) => text)).size).toBe(120)

      const kept = await a.hub.room('h-room').history({ epoch, offset }, 10)
      expect(kept.messages.map((message) => message.position.offset)).toEqual(
        Array.from({ length: 10 }, (_, index) => offset + 1 + index),
      )
      expect(kept.complete).toBe(false)
      const lost = await b.open('eve', 'h-room', JSON.stringify({ epoch: 'another', offset: 3 }))
      await eventually(() => b.told.some((line) => line.endsWith('not all')), 'what is lost is told')
      await lost.close()
    }, 30_000)

    test('while the broker is away each node serves its own, and says so; then all is as before', async () => {
      const { started, nodes } = await stage('a', 'b')
      await using _ = started
      const [a, b] = nodes
      const near = await a.open('ann', 'lobby,p-room,h-room')
      await started.knows(a, 'p-room')
      const far = await b.open('bob', 'lobby,p-room,h-room')
      await started.reach(a, 'lobby', near, far)
      await eventually(() => a.told.includes('join p-room bob'), 'bob is there')

      await broker.stop()
      await eventually(() => nodes.every(({ hub }) => !hub.ready()), 'both say that they are not ready')
      expect(await a.hub.room('lobby').send('alone')).toEqual({
        local: 1,
        dropped: 0,
        status: 'degraded',
        position: null,
      })
      expect(await a.hub.room('h-room').send('placeless')).toMatchObject({ local: 1, status: 'degraded' })
      await eventually(
        () => near.got.includes('alone') && near.got.includes('{"text":"placeless"}'),
        'its own hear it',
      )
      const { results, missing } = await a.hub.room('lobby').count()
      expect(results).toEqual([{ node: 'a', value: 1 }])
      expect(missing.map(({ node }) => node)).toEqual(['b'])
      const late = await a.open('late', 'h-room', '{ "epoch": "another", "offset": 1 }')
      await eventually(() => a.told.includes('recovered 0 not all'), 'nobody waits for the broker for ever')

      await broker.start()
      await started.whole()
      expect(a.told).toContain('lost bus')
      expect(a.told).toContain('back bus')
      await started.reach(a, 'lobby', far)
      expect(far.got).not.toContain('alone')
      await eventually(() => {
        void b.hub.room('h-room').send('after')
        return [near, far, late].every(({ stamped }) => stamped.some(({ text }) => text === 'after'))
      }, 'the history goes on')
      // Nobody was taken for gone because the broker was; one that forgets gives new leases.
      expect(a.told.filter((line) => /^left b (dead|closed)|^leave/.test(line))).toEqual([])
      expect(await a.hub.room('p-room').presence.count()).toEqual({ count: 2, missing: [] })
    }, 60_000)

    test('a node that is cut off is gone with its users after the dead time, and comes back', async () => {
      const { started, nodes } = await stage('a', 'b')
      await using _ = started
      const [a, b] = nodes
      await a.open('ann', 'p-room')
      await started.knows(a, 'p-room')
      const far = await b.open('bob', 'p-room')
      await eventually(() => a.told.includes('join p-room bob'), 'bob is there')
      const { id } = b.connections.get('bob') as { id: string }
      b.way.cut()
      await eventually(() => a.told.includes('left b dead'), 'b is dead')
      await eventually(() => a.told.includes('leave p-room bob'), 'bob is gone')
      expect(await a.hub.connection(id).send('you')).toMatchObject({ status: 'gone' })
      expect(await a.hub.everybody.count()).toMatchObject({ total: 1, missing: [] })
      expect(b.hub.ready()).toBe(false)
      expect(far.closed).toBe(null)
      b.way.heal()
      await started.whole()
      await eventually(
        () => a.told.at(-1) === 'join p-room bob' || a.told.includes('online bob'),
        'he is back',
      )
      await eventually(() => a.told.filter((line) => line === 'join p-room bob').length === 2, 'in the room')
      expect(await a.hub.connection(id).send('again')).toMatchObject({ status: 'relayed' })
      await eventually(() => far.got.includes('again'), 'he hears it')
    }, 30_000)
  })
}
