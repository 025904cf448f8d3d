import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BenchNode, eventually, outcome, quickLease } from '../../hub/contract/cluster-rig.ts'
import { EtcdServer } from './contract/etcd-servers.ts'
import { etcd } from './etcd-driver.ts'
import type { EtcdOptions } from './etcd-options.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Registries of one namespace. */
class Nodes implements AsyncDisposable {
  readonly lines: string[] = []
  readonly #namespace = `t${randomBytes(6).toString('hex')}`
  readonly #nodes: BenchNode[] = []

  make(id: string, options: string | EtcdOptions): BenchNode {
    const note = (fields: object, message: string) => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const log = { info: note, warn: note }
    const { registry } = etcd(options).connect({ namespace: this.#namespace, lease: quickLease, log })
    const node = new BenchNode(id, registry)
    this.#nodes.push(node)
    return node
  }

  async start(id: string, options: string | EtcdOptions): Promise<BenchNode> {
    const node = this.make(id, options)
    await node.start()
    return node
  }

  seeAll(): boolean {
    return this.#nodes.every(({ others }) => others.length === this.#nodes.length - 1)
  }

  told(pattern: RegExp): string[] {
    return this.#nodes.flatMap(({ told }) => told).filter((line) => pattern.test(line))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map(({ registry }) => registry.close()))
  }
}

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

  test('asks for a password, which stands in no line of the log; a token that has ended is replaced', async () => {
    const secret = 'hunter2-hunter2'
    await server.ask('auth/user/add', { name: 'root', password: secret })
    await server.ask('auth/role/add', { name: 'root' })
    await server.ask('auth/user/grant', { user: 'root', role: 'root' })
    await server.ask('auth/enable', {})
    const login = async () =>
      String((await server.ask('auth/authenticate', { name: 'root', password: secret })).token)
    try {
      await using nodes = new Nodes()
      const a = await nodes.start('a', `http://root:${secret}@127.0.0.1:${server.port}`)
      const wrong = nodes.make('b', { endpoints: url, username: 'root', password: `${secret}x` })
      expect(await outcome(wrong.start(500))).toBe('CLUSTER_UNAVAILABLE')
      await wrong.registry.close()
      // Every change of users ends the tokens that were given before.
      await server.ask('auth/user/add', { name: 'other', password: 'x' }, await login())
      await sleep(3 * quickLease.beat)
      expect(a.told).toEqual([])
      expect(a.registry.nodes().length).toBe(1)
      expect(nodes.lines.join()).not.toContain(secret)
    } finally {
      await server.ask('auth/disable', {}, await login())
    }
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
