import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Client } from './client.ts'
import { hasHistory, hasPresence } from './lines.ts'
import type { NodeProcess } from './node-process.ts'
import { type FaultsBroker, Stage, type StageOptions, slack } from './stage.ts'

/** FAULTS=full takes the times that are the defaults of a hub, and ten seconds of SIGSTOP. */
const full = process.env.FAULTS === 'full'

const scale: Omit<StageOptions, 'broker'> = {
  clients: Number(process.env.FAULTS_CLIENTS ?? 1_500),
  rooms: 200,
  messagesPerSecond: 400,
  ...(full
    ? { lease: { beat: 3_000, suspect: 7_000, dead: 15_000 }, presenceGrace: 5_000, questionTimeout: 5_000 }
    : // Shorter, but with seconds between what has to happen and what must not: the machine may be a busy one.
      { lease: { beat: 500, suspect: 2_000, dead: 8_000 }, presenceGrace: 6_000, questionTimeout: 6_000 }),
}

const minute = 60_000
/**
 * Who is back by then, of the grace, may not be told to have left: the rest is for nodes to hear of it. Of the others
 * nothing is said here: the machine was too busy to bring them back.
 */
const backWithin = scale.presenceGrace / 2
/** Until a node knows that it hears nothing: three probes, and what is promised of a bus that stops answering. */
const deafWithin = 10_000

export interface FaultsSubject {
  readonly name: string
  /** Whether a broker that was killed has forgotten the messages that it kept. */
  readonly forgets: boolean
  /** Without the partition and the pauses, unless `FAULTS=full`: what these do is the hub's, not the broker's. */
  readonly brief: boolean
  launch(): Promise<FaultsBroker>
}

/**
 * Three nodes in processes of their own, 1,500 clients in 200 rooms and constant traffic, through one fault after the
 * other. Each client checks what it gets, message by message; after each fault everybody is where they should be. Each test brings
 * the stage to the same state first, so none needs another.
 */
export function faultsContract({ name, forgets, brief, launch }: FaultsSubject): void {
  describe(`three nodes with ${scale.clients} clients in ${scale.rooms} rooms, over ${name}`, () => {
    let broker: FaultsBroker
    let stage: Stage
    let a: NodeProcess
    let b: NodeProcess
    let c: NodeProcess

    beforeAll(async () => {
      broker = await launch()
      stage = await Stage.start({ ...scale, broker })
      ;[a, b, c] = stage.nodes as [NodeProcess, NodeProcess, NodeProcess]
    }, minute)
    beforeEach(() => stage.settle(), 3 * minute)
    afterAll(async () => {
      await stage?.close()
      await broker?.dispose()
    }, minute)

    test(
      'without a fault everything arrives, once, in order',
      async () => {
        const { crowd } = stage
        for (let round = 0; round < 3; round++) {
          expect(await crowd.round(['a', 'b', 'c'], 2 * slack)).toBe(0)
        }
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        await stage.delivers()
        expect(await a.ask()).toMatchObject({ results: ['a', 'b', 'c'], missing: [] })
        for (const { sent } of await Promise.all(stage.nodes.map((node) => node.look()))) {
          expect(sent.relayed).toBeGreaterThan(scale.clients / 3)
        }
        expect((await stage.told()).flat()).toEqual([])
        expect(crowd.losses).toEqual({})
        expect(crowd.faults()).toEqual([])
        expect(crowd.counts().told).toBe(0)
      },
      3 * minute,
    )

    test(
      'SIGKILL of a node: who comes back has everything, who does not is gone within the dead time',
      async () => {
        const { crowd } = stage
        const before = crowd.at('b')
        const away = before.filter((_, index) => index % 3 === 0)
        crowd.stay(away)
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        const killed = performance.now()
        await b.kill()
        await missing(a, 'b')
        await stage.whole()
        const late = crowd.cameAfter(killed + scale.lease.dead + backWithin)
        await stage.presence([a, c], stage.goneWithin + slack)
        await stage.together([a, c])
        expect(await a.ask()).toMatchObject({ results: ['a', 'c'], missing: [] })
        // Who came back was not told to have left, nor to have come again.
        const left = gone(away, stage).filter(isOfNone(late))
        for (const told of await stage.told([a, c])) {
          expect(told.filter(isPresence).filter(isOfNone(late)).sort()).toEqual(left)
        }
        await stage.delivers([a, c])
        expect(crowd.counts().told).toBe(0)

        await b.start()
        await stage.together()
        crowd.come(away, 'b')
        await stage.whole()
        await stage.presence(stage.nodes, slack)
        await stage.delivers()
        const came = left.map((line) => line.replace('offline', 'online').replace('left', 'joined')).sort()
        for (const told of await stage.told([a, c])) {
          expect(told.filter(isPresence).filter(isOfNone(late)).sort()).toEqual(came)
        }
        expect((await stage.told([b])).flat().filter(isLeave)).toEqual([])
        expect(crowd.losses).toEqual({ cut: before.length - away.length })
        expect(crowd.faults()).toEqual([])
      },
      3 * minute,
    )

    test(
      'a node that closes, and one that is killed, and are there again at once: nobody has left, and nothing is lost',
      async () => {
        const { crowd } = stage
        const atC = crowd.at('c').length
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        const closed = performance.now()
        await c.close()
        await c.kill()
        await stage.together([a, b], scale.lease.beat + slack)
        await stage.whole()
        const late = crowd.cameAfter(closed + backWithin)
        expect(crowd.losses).toEqual({ 1001: atC })
        await c.start()
        await stage.together()

        const atB = crowd.at('b').length
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        const killed = performance.now()
        await b.kill()
        await b.start()
        await stage.together()
        await stage.whole()
        for (const user of crowd.cameAfter(killed + backWithin)) late.add(user)
        expect(crowd.losses).toEqual({ cut: atB, 1001: atC })
        await stage.presence(stage.nodes, slack)
        await stage.delivers()
        // Nodes that are new know of nobody who was there before.
        expect((await stage.told([a])).flat().filter(isPresence).filter(isOfNone(late))).toEqual([])
        expect((await stage.told([b, c])).flat().filter(isLeave).filter(isOfNone(late))).toEqual([])
        expect(crowd.faults()).toEqual([])
        expect(crowd.counts().told).toBe(0)
      },
      3 * minute,
    )

    test(
      'a broker that is killed and comes back: nobody has left, and what is gone is told',
      async () => {
        const { crowd } = stage
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        await stage.stopBroker()
        await stage.until(slack, 'all nodes say that they are not ready', async () => {
          return (await Promise.all(stage.nodes.map((node) => node.look()))).every(({ ready }) => !ready)
        })
        for (const { name } of stage.nodes) expect(await crowd.sayNear(name, slack)).toBe(true)
        expect(await say(a)).toMatchObject({ status: 'degraded' })
        const { results, missing: others, took } = await a.ask()
        expect({ results, others: others.map(({ node }) => node).sort() }).toEqual({
          results: ['a'],
          others: ['b', 'c'],
        })
        expect(took).toBeLessThan(scale.questionTimeout)
        expect(await unheard(a)).toEqual(['b', 'c'])
        // For longer than a node may be silent: what nobody can see is no silence.
        await sleep(scale.lease.dead + scale.lease.beat)
        for (const node of stage.nodes) expect((await node.look()).nodes).toHaveLength(3)
        await stage.startBroker()
        await stage.together()
        await stage.presence(stage.nodes, slack)
        await stage.delivers()
        const told = (await stage.told()).flat()
        expect(told.filter((line) => isPresence(line) || /dead|closed/.test(line))).toEqual([])
        expect(crowd.losses).toEqual({})
        expect(crowd.faults()).toEqual([])
        expect(crowd.counts().told > 0).toBe(forgets)
      },
      3 * minute,
    )

    test.skipIf(brief && !full)(
      'a node that the network keeps from the broker serves its own, says so, and comes back',
      async () => {
        const { crowd } = stage
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        c.way.swallow()
        expect(await crowd.sayNear('c', slack)).toBe(true)
        await missing(a, 'c')
        await stage.until(deafWithin + slack, 'c is not ready', async () => !(await c.look()).ready)
        expect(await crowd.sayNear('c', slack)).toBe(true)
        // It doubts its lease, and then it finds out that its connection is dead.
        await stage.until(deafWithin + slack, 'c knows', async () => (await say(c)).status === 'degraded')
        // A balancer that has not noticed sends some who were elsewhere to it.
        const lured = everyThird(crowd.at('a')).slice(0, 50)
        crowd.move(lured, 'c')
        await stage.whole()
        // They were told that they came in without what they missed, but for those who had all that c knew of.
        const { told } = crowd.counts()
        const joins = lured.flatMap(({ rooms }) => rooms.filter(hasHistory)).length
        expect(told).toBeGreaterThan(joins / 2)
        expect(told).toBeLessThanOrEqual(joins)
        await missing(c, 'a', 'b')
        expect(await unheard(c)).toEqual(['a', 'b'])
        await stage.together([a, b])
        await stage.presence([a, b], stage.goneWithin + slack, new Set(crowd.at('c')))
        const left = gone(crowd.at('c'), stage)
        for (const lines of await stage.told([a, b])) expect(lines.filter(isPresence).sort()).toEqual(left)

        // Its balancer sends some of them elsewhere, where they go on with what they had.
        c.open = false
        crowd.move(everyThird(crowd.at('c')))
        await stage.whole()
        await stage.delivers([a, b])
        c.open = true
        c.way.heal()
        await stage.together()
        await stage.presence(stage.nodes, slack)
        await stage.delivers()
        expect(crowd.faults()).toEqual([])
        expect(crowd.counts().told).toBe(told)
      },
      3 * minute,
    )

    test.skipIf(brief && !full)(
      'SIGSTOP of a node for less than the dead time: nobody has left, and all goes on',
      async () => {
        const { crowd } = stage
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        await a.pause()
        const paused = performance.now()
        await missing(b, 'a')
        await stage.until(scale.lease.dead, 'a is suspected', async () => {
          const { missing: silent } = await c.ask()
          return silent.some(({ node, reason }) => node === 'a' && reason === 'suspected')
        })
        // With the default times, the 10 s between a suspicion and a death.
        if (full) await sleep(10_000 - (performance.now() - paused))
        a.resume()
        await stage.together()
        await stage.presence(stage.nodes, slack)
        await stage.delivers()
        expect((await stage.told()).flat().filter((line) => !line.startsWith('slow'))).toEqual([])
        expect(crowd.losses).toEqual({})
        expect(crowd.faults()).toEqual([])
        expect(crowd.counts().told).toBe(0)
      },
      3 * minute,
    )

    test.skipIf(brief && !full)(
      'SIGSTOP of a node beyond the dead time: it is gone with its users, and comes back as another life',
      async () => {
        const { crowd } = stage
        expect(await crowd.flood(slack)).toBeGreaterThan(scale.clients)
        const paused = performance.now()
        await a.pause()
        await missing(b, 'a')
        crowd.move(everyThird(crowd.at('a')))
        await stage.whole()
        const late = crowd.cameAfter(paused + scale.lease.dead + backWithin)
        await stage.presence([b, c], stage.goneWithin + slack, new Set(crowd.at('a')))
        await stage.together([b, c])
        expect(await b.ask()).toMatchObject({ results: ['b', 'c'], missing: [] })
        const left = gone(crowd.at('a'), stage).filter(isOfNone(late))
        for (const told of await stage.told([b, c])) {
          expect(told.filter(isPresence).filter(isOfNone(late)).sort()).toEqual(left)
        }
        a.resume()
        await stage.together()
        await stage.presence(stage.nodes, slack)
        await stage.delivers()
        expect((await stage.told([a])).flat()).toContain('lease lost expired')
        expect(crowd.faults()).toEqual([])
        expect(crowd.counts().told).toBe(0)
      },
      3 * minute,
    )

    test(
      'when everybody has left nobody and nothing is left',
      async () => {
        const { crowd } = stage
        crowd.stopTraffic()
        await stage.delivers()
        expect(crowd.faults(true)).toEqual([])
        const ofClients = async () => {
          const names = await broker.subscriptions(stage.namespace)
          return names.filter((name) => /c[:.](room|user)\./.test(name))
        }
        expect(await ofClients()).not.toEqual([])
        crowd.leave()
        await stage.until(slack, 'all are gone', () => crowd.clients.every(({ node }) => node === null))
        await stage.presence(stage.nodes, scale.presenceGrace + 1_000 + slack)
        for (const node of stage.nodes) {
          await stage.until(slack, `${node.name} has let go of its channels`, async () => {
            const { channels, presenceRooms } = (await node.look()).stats.cluster
            // Its own, everybody's, and those of the rooms that were asked about just now.
            return channels === 2 + presenceRooms
          })
          const { stats } = await node.look()
          expect(stats).toMatchObject({ connections: 0, handshakes: 0, users: 0, rooms: 0, queuedBytes: 0 })
          expect(stats.cluster.historyRooms).toBe(0)
          await stage.until(slack, `${node.name} has closed its descriptors`, () => {
            return node.descriptors <= node.descriptorsAtRest
          })
        }
        // While they run: what is subscribed to ends with its connection in any case.
        await stage.until(slack, 'the broker has no subscription for clients', async () => {
          return (await ofClients()).length === 0
        })
        expect(await broker.nodes(stage.namespace)).toHaveLength(3)
        await Promise.all(stage.nodes.map((node) => node.close()))
        await stage.until(slack, 'the broker knows of nobody', async () => {
          const left = [await broker.nodes(stage.namespace), await broker.subscriptions(stage.namespace)]
          return left.flat().length === 0
        })
      },
      3 * minute,
    )
  })
}

const isPresence = (line: string) => /^(joined|online|left|offline)/.test(line)
/** Whether a line such as `left p-2 u7` is not of one of these users. */
const isOfNone = (users: ReadonlySet<string>) => (line: string) =>
  !users.has(line.split(' ').at(-1) as string)
const isLeave = (line: string) => /^(left|offline)/.test(line)

/** One that is asked answers early, without those who cannot, and says why. */
async function missing(node: NodeProcess, ...others: string[]): Promise<void> {
  const { results, missing: silent, took } = await node.ask()
  expect(silent.map((one) => one.node).sort()).toEqual(others)
  expect(results).toEqual(['a', 'b', 'c'].filter((name) => !others.includes(name)))
  for (const { reason } of silent) expect(['suspected', 'left', 'timeout', 'unreachable']).toContain(reason)
  // A silent node is suspected before a question ends; with the default times a question ends first.
  if (scale.lease.suspect + scale.lease.beat < scale.questionTimeout) {
    expect(silent.map(({ reason }) => reason)).not.toContain('timeout')
    expect(took).toBeLessThan(scale.questionTimeout)
  }
}

/** Of whom it does not know who is there, as it says. */
async function unheard(node: NodeProcess): Promise<string[]> {
  const { missing: unknown } = await node.presence([])
  return [...new Set(unknown.map((one) => one.node))].sort()
}

let said = 0
const say = (node: NodeProcess) => node.say({ room: 'r-0', sender: `test of ${node.name}`, n: ++said })

const everyThird = (clients: readonly Client[]) => clients.filter((_, index) => index % 3 === 0)

/** What each node is told when these are gone: their users, who have no other device in that place. Sorted. */
function gone(clients: readonly Client[], stage: Stage): string[] {
  const without = new Set(clients)
  const still = stage.crowd.users(without)
  const lines = clients.flatMap(({ user, rooms }) => [
    ...(still.get('')?.has(user) ? [] : [`offline ${user}`]),
    ...rooms
      .filter((room) => hasPresence(room) && !still.get(room)?.has(user))
      .map((room) => `left ${room} ${user}`),
  ])
  return [...new Set(lines)].sort()
}
