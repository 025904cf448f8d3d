import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HistoryLimits, HistoryStore } from '../../hub/cluster.ts'
import { Bench, bytes, type ContractBroker, patience, quickLease } from '../../hub/contract/cluster-rig.ts'
import { launchNats, type NatsServer } from './contract/nats-servers.ts'
import { nats } from './nats-driver.ts'

describe('the stream of all histories keeps what the largest room keeps', () => {
  let broker: ContractBroker & { server: NatsServer }
  let client: Awaited<ReturnType<typeof connect>>
  beforeAll(async () => {
    broker = await launchNats()
    client = await connect({ servers: `127.0.0.1:${broker.server.port}` })
  }, 60_000)
  afterAll(async () => {
    await client.close()
    await broker.dispose()
  })

  const minute = 60_000
  const limits: readonly HistoryLimits[] = [
    { size: 40, age: 4 * minute },
    { size: 100, age: minute },
    { size: 60, age: 2 * minute },
    { size: 80, age: 3 * minute },
  ]
  const kept = { max_msgs_per_subject: 100, max_age: 4 * minute * 100 * 1e6 }

  async function ask(verb: string, namespace: string, body = {}) {
    const answer = await client.request(`$JS.API.STREAM.${verb}.${namespace}_history`, JSON.stringify(body))
    return answer.json<{ config: Record<string, unknown> }>()
  }

  test('when rooms of one node begin at once', async () => {
    for (let run = 0; run < 10; run++) {
      await using bench = new Bench(broker)
      const { history } = bench.cluster()
      await history?.start(patience)
      await Promise.all(limits.map((limit, index) => history?.append(`r${run}-${index}`, bytes('x'), limit)))
      expect((await ask('INFO', bench.namespace)).config).toMatchObject(kept)
    }
  })

  test('when nodes begin at once, whose rooms are not all in use yet', async () => {
    for (let run = 0; run < 10; run++) {
      await using bench = new Bench(broker)
      const largestHistory = { size: 100, age: 4 * minute }
      const stores = limits.map(() => {
        const { driver } = broker.way()
        const { namespace } = bench
        const log = { info() {}, warn() {} }
        return driver.connect({ namespace, lease: quickLease, largestHistory, log }).history as HistoryStore
      })
      await Promise.all(stores.map((history) => history.start(patience)))
      await Promise.all(stores.map((history, index) => history.append('r', bytes('x'), limits[index]!)))
      expect((await ask('INFO', bench.namespace)).config).toMatchObject(kept)
      await Promise.all(stores.map((history) => history.close()))
    }
  })

  test('soon again, when a node that keeps less has made it smaller', async () => {
    await using bench = new Bench(broker)
    const { history } = bench.cluster({
      driver: nats(`nats://127.0.0.1:${broker.server.port}`),
      cut() {},
      heal() {},
    })
    await history?.start(patience)
    const [, room] = limits as [HistoryLimits, HistoryLimits]
    await history?.append('r', bytes('x'), room)
    const { config } = await ask('INFO', bench.namespace)
    await ask('UPDATE', bench.namespace, { ...config, max_msgs_per_subject: 10 })
    const deadline = performance.now() + patience
    for (let size: unknown = 10; size !== 100; ) {
      await history?.append('r', bytes('x'), room)
      size = (await ask('INFO', bench.namespace)).config.max_msgs_per_subject
      expect(performance.now()).toBeLessThan(deadline)
    }
  }, 30_000)
})
