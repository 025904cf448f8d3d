import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../hub/clock.ts'
import { type ContractWay, eventually, patience, quickLease } from '../../hub/contract/cluster-rig.ts'
import { WorldNode } from '../../hub/contract/hub-world.ts'
import { launchServer } from './contract/redis-servers.ts'

let broker: Awaited<ReturnType<typeof launchServer>>
beforeAll(async () => {
  broker = await launchServer()
}, 30_000)
afterAll(() => broker.dispose())

async function start(id: string, way: ContractWay = broker.way()): Promise<WorldNode> {
  const node = new WorldNode(id, way, systemClock, undefined, { lease: quickLease })
  expect(await node.half.start(patience)).toBe(true)
  await eventually(() => node.half.ready(), 'it hears itself')
  return node
}

const got = (client: { got: readonly { data: unknown }[] }) => client.got.map(({ data }) => data)

test('nodes act as one over a real Redis, through a restart of it and the death of one of them', async () => {
  const way = broker.way()
  const nodes = [await start('a'), await start('b'), await start('c', way)] as const
  const [a, b] = nodes
  await eventually(() => nodes.every((node) => node.half.stats().nodes === 3), 'all see all')

  const clients = nodes.map((node, index) => ({ node, client: node.connect(`u${index}`) }))
  for (const { node, client } of clients) {
    node.join(client, 'room')
    node.join(client, 'p')
    await node.recover(client, 'h', null)
  }
  const [one, two, three] = clients.map(({ client }) => client) as [
    (typeof clients)[0]['client'],
    (typeof clients)[0]['client'],
    (typeof clients)[0]['client'],
  ]
  await eventually(() => a.half.stats().channels >= 5, 'subscribed')
  // Interest is in force once the broker has answered.
  await eventually(() => {
    void b.send({ kind: 'room', name: 'room' }, 'knock')
    return [one, three].every((client) => got(client).includes('knock'))
  }, 'all hear')
  for (let index = 0; index < 100; index++) void a.send({ kind: 'room', name: 'h' }, `h${index}`)
  const history = Array.from({ length: 100 }, (_, index) => `h${index}`)
  const ofHistory = (client: typeof one) => client.got.filter(({ offset }) => offset > 0)
  await eventually(() => clients.every(({ client }) => ofHistory(client).length === 100), 'all get all')
  for (const { client } of clients) {
    expect(ofHistory(client).map(({ data }) => data)).toEqual(history)
    expect(ofHistory(client).map(({ offset }) => offset)).toEqual(history.map((_, index) => index + 1))
  }
  expect(await a.half.presence.count('p')).toEqual({ value: 3, missing: [] })

  await broker.stop()
  await eventually(() => nodes.every((node) => !node.half.ready()), 'all say that they are not ready')
  expect((await a.send({ kind: 'room', name: 'room' }, 'alone'))?.status).toBe('degraded')
  expect(got(one)).toContain('alone')
  await broker.start()
  await eventually(() => nodes.every((node) => node.half.ready()), 'all are ready again')
  await eventually(() => nodes.every((node) => node.half.stats().nodes === 3), 'all see all again')
  expect(got(two)).not.toContain('alone')
  await eventually(() => nodes.every((node) => node.gaps.length === 1), 'a history that begins anew is told')
  expect((await b.send({ kind: 'room', name: 'h' }, 'after'))?.status).toBe('relayed')
  await eventually(
    () => clients.every(({ client }) => got(client).includes('after')),
    'the new history is heard',
  )

  way.cut()
  await eventually(() => a.half.stats().nodes === 2, 'the third has left')
  const questions = await a.half.count({ kind: 'room', name: 'room' })
  expect(questions.results.map(({ node, value }) => [node, value]).sort()).toEqual([
    ['a', 1],
    ['b', 1],
  ])
  await eventually(() => a.told.includes('leave p u2') && b.told.includes('leave p u2'), 'its user has left')
  expect(a.told.filter((line) => line.endsWith('u2'))).toEqual(['join p u2', 'leave p u2'])
  expect([...(await b.half.presence.list('p', 0, 10)).value.items].sort()).toEqual(['u0', 'u1'])
  way.heal()
  await eventually(() => a.told.at(-1) === 'join p u2', 'it is back with its user')
  await Promise.all(nodes.map((node) => node.half.close()))
}, 60_000)
