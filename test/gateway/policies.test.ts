import { get, type IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually } from './support/eventually.ts'
import { upgradeRequest } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'
import { WhoServer } from './support/who-server.ts'

const stage = new Stage()
afterEach(() => stage.close())

const secret = 'a secret of enough characters'

async function servers(count: number): Promise<WhoServer[]> {
  const started = Array.from({ length: count }, (_, index) => new WhoServer(`s${index}`).listen())
  const all = await Promise.all(started)
  for (const server of all) stage.add(() => server.close())
  return all
}

async function gatewayOver(
  backends: readonly (WhoServer | { address: string; weight: number })[],
  policy: unknown,
  more: object = {},
) {
  const listed = backends.map((backend) => (backend instanceof WhoServer ? backend.address : backend))
  return stage.gateway({ pools: { main: { policy, backends: listed } } as never, ...more })
}

interface Answer {
  /** The server that answered. */
  readonly name: string
  readonly setCookie: string | undefined
}

/** Asks by HTTP, on a connection of its own. */
async function ask(port: number, path = '/', headers: Record<string, string> = {}): Promise<Answer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers, agent: false }, resolve).on('error', reject)
  })
  let name = ''
  for await (const chunk of response.setEncoding('utf8')) name += chunk
  return { name, setCookie: response.headers['set-cookie']?.[0] }
}

/** Opens a WebSocket, which stays. */
async function open(port: number, path = '/', headers: Record<string, string> = {}): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  stage.add(() => socket.terminate())
  return new Promise<string>((resolve, reject) => {
    socket.once('message', (data) => resolve(String(data)))
    socket.once('error', reject)
  })
}

async function times<Value>(count: number, what: (index: number) => Promise<Value>): Promise<Value[]> {
  const results: Value[] = []
  for (let index = 0; index < count; index++) results.push(await what(index))
  return results
}

function countsOf(names: readonly string[]): number[] {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts.values()].sort((a, b) => a - b)
}

describe('policies that compare loads', () => {
  test('least connections puts tunnels where the fewest for the weight are', async () => {
    const [one, two] = (await servers(2)) as [WhoServer, WhoServer]
    const backends = [
      { address: one.address, weight: 1 },
      { address: two.address, weight: 3 },
    ]
    const { port } = await gatewayOver(backends, 'least-connections')
    expect(countsOf(await times(16, () => open(port)))).toEqual([4, 12])
  })

  test('least connections spreads a burst that comes before any of it is answered', async () => {
    const backends = await servers(4)
    const { port } = await gatewayOver(backends, 'least-connections')
    expect(countsOf(await Promise.all(Array.from({ length: 16 }, () => open(port))))).toEqual([4, 4, 4, 4])
  })

  test('requests under way count, and no longer when they are answered', async () => {
    const backends = (await servers(2)) as [WhoServer, WhoServer]
    const { port, gateway } = await gatewayOver(backends, 'least-connections')
    const slow = ask(port, '/slow')
    await eventually(() => backends.some(({ waiting }) => waiting.length === 1))
    const busy = backends.find(({ waiting }) => waiting.length === 1) as WhoServer
    expect(gateway.backends.map(({ active }) => active).sort()).toEqual([0, 1])
    for (const { name } of await times(5, () => ask(port))) expect(name).not.toBe(busy.name)
    busy.waiting[0]?.()
    await slow
    expect(gateway.backends.map(({ active }) => active)).toEqual([0, 0])
    // Whoever was busy gets a turn soon, which may be one more than its share.
    const counts = countsOf((await times(8, () => ask(port))).map(({ name }) => name))
    expect(counts[0]).toBeGreaterThanOrEqual(3)
  })

  test.each(['auto', 'power-of-two', 'peak-ewma', 'random', 'least-connections', 'round-robin'])(
    '%s serves both kinds, passes over a dead backend, and leaves nothing counted',
    async (policy) => {
      const [alive, dead] = (await servers(2)) as [WhoServer, WhoServer]
      const { port, gateway } = await gatewayOver([dead, alive], policy)
      await dead.close()
      expect(countsOf(await times(8, () => open(port)))).toEqual([8])
      const names = (await times(8, () => ask(port))).map(({ name }) => name)
      expect(countsOf(names)).toEqual([8])
      expect(await eventually(() => gateway.backends.every(({ active }) => active === 0))).toBe(true)
      expect(gateway.backends.map(({ connections }) => connections)).toEqual([0, 8])
    },
  )

  test('an upgrade that is declined, fails or is given up leaves nothing counted', async () => {
    const declining = await stage.http((_request, response) => response.writeHead(403).end())
    const silent = await stage.raw()
    const { port, gateway } = await stage.gateway({
      pools: {
        main: { policy: 'least-connections', backends: [declining.address] },
        silent: { policy: 'least-connections', backends: [silent.address] },
      } as never,
      routes: [{ match: { path: '/silent' }, pool: 'silent' }, { pool: 'main' }],
      timeouts: { upgrade: '100ms' },
    })
    const declined = await stage.client(port)
    declined.send(upgradeRequest())
    await declined.until('403')
    const leaving = await stage.client(port)
    leaving.send(upgradeRequest({}, 'GET /silent HTTP/1.1'))
    await silent.connection(0)
    leaving.reset()
    const failing = await stage.client(port)
    failing.send(upgradeRequest({}, 'GET /silent HTTP/1.1'))
    await failing.until('504')
    expect(await eventually(() => gateway.backends.every(({ active }) => active === 0))).toBe(true)
    expect(gateway.backends.map(({ connections }) => connections)).toEqual([0, 0])
  })

  test('a route may have a policy of its own over the same backends', async () => {
    const backends = await servers(3)
    const { port, gateway } = await gatewayOver(backends, 'least-connections', {
      routes: [
        { match: { path: '/room' }, pool: 'main', policy: { hash: { pathSegment: 2 } } },
        { pool: 'main' },
      ],
    })
    const rooms = await times(6, () => open(port, '/room/7'))
    expect(countsOf(rooms)).toEqual([6])
    // The pool's own policy knows what the route's has put where.
    const others = await times(12, () => open(port))
    expect(countsOf(others)).toEqual([6, 6])
    expect(others).not.toContain(rooms[0])
    expect(gateway.backends.map(({ connections }) => connections)).toEqual([6, 6, 6])
  })
})

describe('a hash', () => {
  test.each<[string, object, (user: number) => [path: string, headers: Record<string, string>]]>([
    ['a header', { header: 'X-User' }, (user) => ['/', { 'x-user': `u${user}` }]],
    ['a cookie', { cookie: 'user' }, (user) => ['/', { cookie: `a=b; user=u${user}` }]],
    ['a query parameter', { query: 'user' }, (user) => [`/?a=b&user=u${user}`, {}]],
    ['a path segment', { pathSegment: 2 }, (user) => [`/users/u${user}/chat`, {}]],
  ])(
    'of %s keeps a client with its backend, by HTTP and WebSocket, at every gateway',
    async (_, hash, of) => {
      const backends = await servers(4)
      const one = await gatewayOver(backends, { hash })
      const other = await gatewayOver([...backends].reverse(), { hash })
      const homes = new Set<string>()
      for (let user = 0; user < 12; user++) {
        const names = [
          (await ask(one.port, ...of(user))).name,
          (await ask(other.port, ...of(user))).name,
          await open(one.port, ...of(user)),
        ]
        expect(new Set(names).size).toBe(1)
        homes.add(names[0] as string)
      }
      expect(homes.size).toBeGreaterThan(1)
    },
  )

  test("of the client's address sees through trusted proxies (docker-nginx#35)", async () => {
    const backends = await servers(4)
    const { port } = await gatewayOver(backends, 'source-ip-hash', { trustedProxies: ['127.0.0.1'] })
    const from = async (address: string) => (await ask(port, '/', { 'x-forwarded-for': address })).name
    const homes = await times(12, (index) => from(`203.0.113.${index}`))
    expect(await times(12, (index) => from(`203.0.113.${index}`))).toEqual(homes)
    expect(new Set(homes).size).toBeGreaterThan(1)
  })

  test('of a client without the key goes to all backends', async () => {
    const backends = await servers(2)
    const { port } = await gatewayOver(backends, { hash: { header: 'X-User' } })
    const names = (await times(40, () => ask(port))).map(({ name }) => name)
    expect(new Set(names).size).toBe(2)
  })

  test('gives a backend no more tunnels than its bound when everybody has the same key', async () => {
    const backends = await servers(3)
    const { port, gateway } = await gatewayOver(backends, { hash: { query: 'room' }, bound: '150%' })
    await times(60, () => open(port, '/?room=1'))
    const counts = gateway.backends.map(({ connections }) => connections)
    expect(Math.max(...counts)).toBeLessThanOrEqual(30)
    expect(counts.reduce((sum, count) => sum + count)).toBe(60)
  })
})

describe('a sticky cookie', () => {
  const sticky = { sticky: { cookie: 'pin', secret, otherwise: 'round-robin' } }
  const cookieOf = ({ setCookie }: Answer) => ({ cookie: (setCookie as string).split(';')[0] as string })

  test('keeps a client with its backend and is set once (socket.io#1739)', async () => {
    const { port } = await gatewayOver(await servers(3), sticky)
    const first = await ask(port)
    expect(first.setCookie).toMatch(/^pin=[\w-]{24}; Path=\/; HttpOnly; SameSite=Lax$/)
    for (const again of await times(6, () => ask(port, '/', cookieOf(first)))) {
      expect(again).toEqual({ name: first.name, setCookie: undefined })
    }
    expect(await times(3, () => open(port, '/', cookieOf(first)))).toEqual(new Array(3).fill(first.name))
  })

  test.each([
    [200, true],
    [404, true],
    [500, false],
    [503, false],
  ])('is set by an answer with status %i: %s', async (status, sets) => {
    const backend = await stage.raw(async (wire) => {
      await wire.message('request')
      wire.send(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`)
    })
    const { port } = await gatewayOver([{ address: backend.address, weight: 1 }], sticky)
    const client = await stage.client(port)
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.until('\r\n\r\n')).includes('Set-Cookie: pin=')).toBe(sets)
  })

  test('is set by the 101 of a WebSocket, too', async () => {
    const { port } = await gatewayOver(await servers(1), sticky)
    const client = await stage.client(port)
    client.send(upgradeRequest())
    const head = await client.until('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 101 /)
    expect(head).toMatch(/\r\nSet-Cookie: pin=[\w-]{24}; Path=\/; HttpOnly; SameSite=Lax\r\n/)
  })

  test('has the same value from every gateway with the same secret, and another with another (haproxy-ingress#113)', async () => {
    const backends = await servers(3)
    const one = await gatewayOver(backends, sticky)
    const other = await gatewayOver([...backends].reverse(), sticky)
    const foreign = await gatewayOver(backends, { sticky: { ...sticky.sticky, secret: `${secret}!` } })
    const first = await ask(one.port)
    expect(await times(4, () => ask(other.port, '/', cookieOf(first)))).toEqual(
      new Array(4).fill({ name: first.name, setCookie: undefined }),
    )
    expect((await ask(foreign.port, '/', cookieOf(first))).setCookie).toBeDefined()
  })

  test('is set anew when its backend is gone', async () => {
    const backends = await servers(2)
    const { port } = await gatewayOver(backends, sticky)
    const first = await ask(port)
    await backends.find(({ name }) => name === first.name)?.close()
    const second = await ask(port, '/', cookieOf(first))
    expect(second.name).not.toBe(first.name)
    expect(second.setCookie).not.toBe(first.setCookie)
    expect(await ask(port, '/', cookieOf(second))).toEqual({ name: second.name, setCookie: undefined })
  })

  test('that somebody made up pins to nobody', async () => {
    const backends = await servers(2)
    const { port } = await gatewayOver(backends, sticky)
    for (const made of [backends[0]?.address, 's0', '0', '', 'x'.repeat(24), '__proto__']) {
      expect((await ask(port, '/', { cookie: `pin=${made}` })).setCookie).toBeDefined()
    }
  })

  test('has a name for each pool, and is Secure when a trusted proxy says that the client came by TLS', async () => {
    const { port } = await gatewayOver(
      await servers(1),
      { sticky: { secret } },
      { trustedProxies: ['127.0.0.1'] },
    )
    const byTls = await ask(port, '/', { 'x-forwarded-proto': 'https' })
    expect(byTls.setCookie).toMatch(/^fairlead-main=[\w-]{24}; Path=\/; HttpOnly; SameSite=Lax; Secure$/)
    expect((await ask(port)).setCookie).not.toContain('Secure')
  })

  test('and its secret never come into the log', async () => {
    const { port, log } = await gatewayOver(await servers(1), sticky)
    const first = await ask(port)
    await ask(port, '/', cookieOf(first))
    const lines = JSON.stringify(log)
    expect(lines).not.toContain(secret)
    expect(lines).not.toContain(cookieOf(first).cookie.slice(4))
  })
})
