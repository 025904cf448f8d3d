import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, outcome, quickLease } from '../../hub/contract/cluster-rig.ts'
import { Nodes } from './contract/etcd-nodes.ts'
import { EtcdServer } from './contract/etcd-servers.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const secret = 'hunter2-hunter2'

describe('etcd with users', () => {
  let server: EtcdServer
  beforeAll(async () => {
    server = await EtcdServer.launch()
    await server.ask('auth/user/add', { name: 'root', password: secret })
    await server.ask('auth/role/add', { name: 'root' })
    await server.ask('auth/user/grant', { user: 'root', role: 'root' })
  }, 30_000)
  afterAll(() => server.dispose())

  const withPassword = (password = secret) => `http://root:${password}@127.0.0.1:${server.port}`
  const login = async () =>
    String((await server.ask('auth/authenticate', { name: 'root', password: secret })).token)

  test('asks for a password, which stands in no line of the log; a token that has ended is replaced', async () => {
    await server.ask('auth/enable', {})
    try {
      await using nodes = new Nodes()
      const a = await nodes.start('a', withPassword())
      const wrong = nodes.make('b', withPassword(`${secret}x`))
      const failed = await wrong.start(1_500).catch((error: Error) => error)
      expect(failed).toMatchObject({ code: 'CLUSTER_UNAVAILABLE' })
      expect(String(failed)).toContain('authentication failed')
      expect(String(failed)).not.toContain(secret)
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

  test('gives no token while it asks nobody for a password, and one as soon as it does', async () => {
    await using nodes = new Nodes()
    await Promise.all(['a', 'b'].map((id) => nodes.start(id, withPassword())))
    await eventually(() => nodes.seeAll(), 'all see all')
    await server.ask('auth/enable', {})
    try {
      await sleep(quickLease.dead)
      expect(nodes.told(/^(?!joined)/)).toEqual([])
    } finally {
      await server.ask('auth/disable', {}, await login())
    }
  })

  test('forgets its tokens at a restart, and nodes keep their leases', async () => {
    await server.ask('auth/enable', {})
    try {
      await using nodes = new Nodes()
      await Promise.all(['a', 'b'].map((id) => nodes.start(id, withPassword())))
      await eventually(() => nodes.seeAll(), 'all see all')
      await server.process.kill()
      await eventually(() => nodes.told(/^down/).length === 2, 'it is away')
      await server.process.start()
      await eventually(() => nodes.told(/^up/).length === 2, 'they go on')
      await sleep(quickLease.suspect)
      expect(nodes.told(/^left|^lost/)).toEqual([])
    } finally {
      await server.ask('auth/disable', {}, await login())
    }
  }, 30_000)

  test('permits nothing but the keys of the nodes to a user who needs no more', async () => {
    const range = (name: string) => ({ key: base64(name), range_end: base64(`${name.slice(0, -1)}0`) })
    await server.ask('auth/user/add', { name: 'me', password: secret })
    await server.ask('auth/role/add', { name: 'nodes' })
    await server.ask('auth/user/grant', { user: 'me', role: 'nodes' })
    await using nodes = new Nodes()
    const perm = { permType: 'READWRITE', ...range(`${nodes.namespace}/nodes/`) }
    await server.ask('auth/role/grant', { name: 'nodes', perm })
    await server.ask('auth/enable', {})
    try {
      const url = withPassword().replace('root:', 'me:')
      await Promise.all(['a', 'b'].map((id) => nodes.start(id, url)))
      await eventually(() => nodes.seeAll(), 'all see all')
      await using strangers = new Nodes()
      expect(await outcome(strangers.start('c', url, 1_000))).toBe('CLUSTER_UNAVAILABLE')
    } finally {
      await server.ask('auth/disable', {}, await login())
    }
  })
})

test('etcd that asks for a certificate is given it, and one that is not known is not trusted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-etcd-tls-'))
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const subject = ['-subj', '/CN=fairlead', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const into = ['-keyout', files.key, '-out', files.cert]
  await promisify(execFile)('openssl', ['req', '-x509', ...made, ...subject, ...into])
  const [cert, key] = [readFileSync(files.cert), readFileSync(files.key)]
  const server = await EtcdServer.launch({ tls: files })
  try {
    await using nodes = new Nodes()
    const endpoints = `https://127.0.0.1:${server.port}`
    const tls = { ca: cert, cert, key }
    await Promise.all(['a', 'b'].map((id) => nodes.start(id, { endpoints, tls })))
    await eventually(() => nodes.seeAll(), 'all see all')
    await using strangers = new Nodes()
    expect(await outcome(strangers.start('c', { endpoints, tls: { ca: cert } }, 1_000))).toBe(
      'CLUSTER_UNAVAILABLE',
    )
    expect(await outcome(strangers.start('d', { endpoints, tls: { cert, key } }, 1_000))).toBe(
      'CLUSTER_UNAVAILABLE',
    )
  } finally {
    await server.dispose()
    rmSync(folder, { recursive: true })
  }
}, 30_000)
