import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../../hub/contract/cluster-rig.ts'
import { HubCore } from '../../hub/hub-core.ts'
import { LiveConnection } from '../../hub/live-connection.ts'
import { consoleLog } from '../../hub/log.ts'
import { hubOptions } from '../../hub/options.ts'
import { Room } from '../../hub/room.ts'
import { launchServer } from './contract/redis-servers.ts'

const each = 10_000

/** A node without sockets: this is about what nodes tell each other. */
function nodeOf(driver: unknown, node: string) {
  const options = { cluster: driver, node, rooms: { large: { presence: true } } }
  const core = new HubCore(hubOptions.parse(options), node, consoleLog)
  const socket = { queuedBytes: 0, send: () => true, ping() {}, pause() {}, resume() {}, close() {} }
  const enter = (user: string) => {
    const identity = { id: `${node}.${user}`, user, data: undefined, remoteAddress: '', protocol: null }
    const connection = new LiveConnection(core, identity)
    connection.opened({ ...socket, terminate() {} })
    connection.join('large')
    return connection
  }
  return { core, enter, presence: new Room(core.dispatch, 'large').presence }
}

test('twenty thousand users in one room over two nodes: counted, listed page by page, one more is told of, and a node that comes later knows them', async () => {
  const broker = await launchServer()
  const nodes = ['a', 'b'].map((name) => nodeOf(broker.way().driver, name))
  const [a, b] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
  try {
    await Promise.all(nodes.map(({ core }) => core.cluster.start(10_000)))
    await eventually(() => nodes.every(({ core }) => core.cluster.ready()), 'both are ready')
    const users = new Set<string>()
    for (const [at, { enter }] of nodes.entries()) {
      for (let user = 0; user < each; user++) {
        enter(`user-${at}-${user}`)
        users.add(`user-${at}-${user}`)
      }
    }
    for (const { presence } of nodes) {
      let counted = { count: 0, missing: [] as readonly unknown[] }
      const deadline = performance.now() + 15_000
      while (counted.count < 2 * each && performance.now() < deadline) {
        counted = await presence.count()
        await sleep(20)
      }
      expect(counted).toEqual({ count: 2 * each, missing: [] })
      const listed: string[] = []
      for (let after: number | null = 0; after !== null; ) {
        const page = await presence.list({ after, limit: 3_000 })
        expect(page.missing).toEqual([])
        expect(page.users.length).toBeLessThanOrEqual(3_000)
        listed.push(...page.users)
        after = page.next
      }
      expect(listed.length).toBe(2 * each)
      expect(new Set(listed)).toEqual(users)
    }
    const told: string[] = []
    b.core.cluster.events.on('presence.joined', ({ user }) => told.push(user))
    const before = a.core.cluster.stats().publishes
    a.enter('one more')
    await eventually(() => told.length > 0, 'it is told of')
    expect(told).toEqual(['one more'])
    // One who comes is one message, however many are there.
    expect(a.core.cluster.stats().publishes - before).toBeLessThan(10)
    expect(await b.presence.count()).toMatchObject({ count: 2 * each + 1 })

    // One who comes later asks for everything.
    const late = nodeOf(broker.way().driver, 'late')
    nodes.push(late)
    await late.core.cluster.start(10_000)
    expect(await late.presence.count()).toEqual({ count: 2 * each + 1, missing: [] })
  } finally {
    for (const { core } of nodes) {
      await core.cluster.close()
      core.timers.rest()
    }
    await broker.dispose()
  }
}, 60_000)
