import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { launchServer } from '../../src/drivers/redis/contract/redis-servers.ts'
import type { ClusterDriver } from '../../src/hub/cluster.ts'
import { type ContractBroker, eventually } from '../../src/hub/contract/cluster-rig.ts'
import { HubStage, type StageNode } from '../../src/hub/contract/hub-stage.ts'

/** The same driver, which notes the channel of each message that the broker delivers. */
function noting(driver: ClusterDriver, heard: string[]): ClusterDriver {
  return {
    name: driver.name,
    connect(options) {
      const cluster = driver.connect(options)
      const { bus } = cluster
      const start = bus.start.bind(bus)
      bus.start = (events, patience) =>
        start(
          {
            message(channel, payload) {
              heard.push(channel)
              events.message(channel, payload)
            },
            down: (reason) => events.down(reason),
            up: () => events.up(),
          },
          patience,
        )
      return cluster
    },
  }
}

test('a node hears nothing of rooms that nobody at it is in (socket.io#5226)', async () => {
  const redis = await launchServer()
  const heard: string[][] = []
  const broker: ContractBroker = {
    ...redis,
    way() {
      const way = redis.way()
      const channels: string[] = []
      heard.push(channels)
      return { ...way, driver: noting(way.driver, channels) }
    },
  }
  try {
    await using stage = await HubStage.start(broker, ['a', 'b', 'c'])
    const [a, b, c] = stage.nodes as [StageNode, StageNode, StageNode]
    const [, bob, eve] = [await a.open('ann', 'red'), await b.open('bob', 'red'), await c.open('eve', 'blue')]
    await stage.reach(a, 'red', bob)
    await stage.reach(a, 'blue', eve)
    for (let i = 0; i < 100; i++) {
      await a.hub.room('red').send(`${i}`)
      await sleep(1)
    }
    await a.hub.room('blue').send('the end')
    await eventually(() => bob.texts.includes('99') && eve.texts.includes('the end'), 'all have all')
    const [, atB = [], atC = []] = heard
    expect(atB).toContain('room.red')
    expect(atC).toContain('room.blue')
    expect(atC).not.toContain('room.red')
  } finally {
    await redis.dispose()
  }
}, 30_000)
