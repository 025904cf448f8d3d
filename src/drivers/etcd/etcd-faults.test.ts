import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, quickLease } from '../../hub/contract/cluster-rig.ts'
import { Nodes } from './contract/etcd-nodes.ts'
import { EtcdServer } from './contract/etcd-servers.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('one etcd', () => {
  let server: EtcdServer
  let url = ''
  beforeAll(async () => {
    server = await EtcdServer.launch()
    url = `http://127.0.0.1:${server.port}`
  }, 30_000)
  afterAll(() => server.dispose())

  test('keeps keys that hang on a lease, and nodes whose lease is revoked take a new one', async () => {
    await using nodes = new Nodes()
    const [a, b] = [await nodes.start('a', url), await nodes.start('b', url)]
    await eventually(() => nodes.seeAll(), 'all see all')
    const { leases } = await server.ask('lease/leases', {})
    const ids = (leases as { ID: string }[]).map(({ ID }) => ID)
    expect(ids.length).toBe(2)
    for (const ID of ids) await server.ask('lease/revoke', { ID })
    await eventually(() => [a, b].every(({ told }) => told.includes('regained -')), 'they have a lease again')
    await eventually(() => nodes.seeAll(), 'all see all again')
    expect(nodes.told(/dead|replaced$/).filter((line) => line.startsWith('lost - replaced'))).toEqual([])
    const before = a.self?.incarnation as number
    expect(before).toBeGreaterThan(0)
  })

  test('what somebody else has written there is no node', async () => {
    await using nodes = new Nodes()
    const a = await nodes.start('a', url)
    const { kvs } = await server.ask('kv/range', {
      key: base64('t'),
      range_end: base64('u'),
      keys_only: true,
    })
    const [{ key }] = kvs as [{ key: string }]
    const other = Buffer.from(key, 'base64').toString().replace(/a$/, 'other')
    for (const value of ['', 'x', '{}', '{"id":"other","incarnation":"1"}']) {
      await server.ask('kv/put', { key: base64(other), value: base64(value) })
      await sleep(quickLease.beat)
    }
    expect(a.others).toEqual([])
    expect(a.told).toEqual([])
  })

  test('the next endpoint is asked when one does not answer', async () => {
    await using nodes = new Nodes()
    const a = await nodes.start('a', { endpoints: ['http://127.0.0.1:1', url] })
    const b = await nodes.start('b', url)
    await eventually(() => nodes.seeAll(), 'all see all')
    expect([a, b].flatMap(({ told }) => told).sort()).toEqual(['joined a', 'joined b'])
  })
})

test('three members go on without one; without two nobody is dead, and nobody is believed to be', async () => {
  const members = await EtcdServer.launchMembers(3)
  const endpoints = members.map(({ port }) => `http://127.0.0.1:${port}`)
  try {
    await using nodes = new Nodes()
    await Promise.all(['a', 'b', 'c'].map((id) => nodes.start(id, { endpoints })))
    await eventually(() => nodes.seeAll(), 'all see all')
    await members[0]?.process.kill()
    await sleep(quickLease.dead)
    await members[1]?.process.kill()
    await eventually(() => nodes.told(/^down/).length >= 3, 'all say so')
    await sleep(quickLease.dead * 2)
    expect(nodes.told(/^left|^lost/)).toEqual([])
    await members[0]?.process.start()
    await eventually(() => nodes.told(/^up/).length >= 3 && nodes.seeAll(), 'all see all again')
    await sleep(quickLease.suspect)
    expect(nodes.told(/^left|^lost/)).toEqual([])
  } finally {
    await Promise.all(members.map((member) => member.dispose()))
  }
}, 60_000)

test('a member that stops answering is left for another one before anybody is suspected', async () => {
  const members = await EtcdServer.launchMembers(3)
  const endpoints = members.map(({ port }) => `http://127.0.0.1:${port}`)
  try {
    // The client has a second for an answer, so that one beat is as long as that.
    await using nodes = new Nodes({ beat: 1_000, suspect: 3_500, dead: 7_000 })
    await Promise.all(['a', 'b', 'c'].map((id) => nodes.start(id, { endpoints })))
    await eventually(() => nodes.seeAll(), 'all see all')
    await members[0]?.process.pause()
    await eventually(() => nodes.told(/^down/).length >= 3, 'all find out')
    await eventually(() => nodes.told(/^up/).length >= 3, 'all go on at another one')
    await sleep(4_000)
    expect(nodes.told(/^left|^lost|^suspected/)).toEqual([])
  } finally {
    members[0]?.process.resume()
    await Promise.all(members.map((member) => member.dispose()))
  }
}, 60_000)

test('a store that is full takes no beats: nodes are down, nobody is dead, and they go on once there is room', async () => {
  const server = await EtcdServer.launch({ args: ['--quota-backend-bytes', '2000000'] })
  try {
    await using nodes = new Nodes()
    await Promise.all(['a', 'b', 'c'].map((id) => nodes.start(id, `http://127.0.0.1:${server.port}`)))
    await eventually(() => nodes.seeAll(), 'all see all')
    const value = base64('x'.repeat(200_000))
    const fill = () => server.ask('kv/put', { key: base64('filling'), value })
    while (
      await fill().then(
        () => true,
        () => false,
      )
    );
    await eventually(() => nodes.told(/^down/).length >= 3, 'all say so')
    await sleep(quickLease.dead * 2)
    expect(nodes.told(/^left|^lost|^suspected/)).toEqual([])
    const { header } = await server.ask('kv/range', { key: base64('filling') })
    await server.ask('kv/compaction', { revision: (header as { revision: string }).revision, physical: true })
    await server.ask('maintenance/defragment', {})
    const { alarms } = await server.ask('maintenance/alarm', { action: 'GET' })
    for (const alarm of alarms as object[]) {
      await server.ask('maintenance/alarm', { action: 'DEACTIVATE', ...alarm })
    }
    await eventually(() => nodes.told(/^up/).length >= 3 && nodes.seeAll(), 'all see all again')
    expect(nodes.told(/^left|^lost/)).toEqual([])
  } finally {
    await server.dispose()
  }
}, 60_000)
