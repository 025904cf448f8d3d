import { afterEach, describe, expect, test } from 'vitest'
import type { Connection } from './connection.ts'
import { HubRig } from './contract/hub-rig.ts'
import { RawClient } from './contract/raw-client.ts'
import type { RefusedHandshake } from './events.ts'
import type { HubOptions } from './options.ts'
import type { HandshakeRequest } from './transport.ts'

const rigs: { close(): Promise<void> }[] = []

async function start<UserData = undefined>(options: HubOptions<UserData> = {}): Promise<HubRig<UserData>> {
  const rig = await HubRig.start(options)
  rigs.push(rig)
  return rig
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

async function eventually(holds: () => boolean, milliseconds = 8000): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('what was waited for did not happen')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('authenticate', () => {
  test('sees the request and says who it is', async () => {
    const rig = await start<{ roles: readonly string[] }>({
      node: 'n1',
      authenticate: async ({ url, headers, protocols }) => {
        const token = new URL(url, 'http://x').searchParams.get('token')
        return { user: `${token}-${headers.cookie}`, data: { roles: protocols } }
      },
      protocols: ['v2', 'v1'],
    })
    const found: Connection<{ roles: readonly string[] }>[] = []
    rig.hub.on('connection', (connection) => void found.push(connection))
    const headers = { Cookie: 'a=1', 'Sec-WebSocket-Protocol': 'v1, v2, v3' }
    const client = await rig.open({ path: '/ws?token=ann', headers })
    await eventually(() => found.length === 1)
    const [connection] = found
    expect(connection).toMatchObject({ user: 'ann-a=1', data: { roles: ['v1', 'v2', 'v3'] }, protocol: 'v2' })
    expect(connection?.id).toMatch(/^n1\.[A-Za-z0-9_-]{16,}$/)
    expect(client.field('Sec-WebSocket-Protocol')).toBe('v2')
    expect(rig.hub.user('ann-a=1').localCount).toBe(1)
  })

  test.each([
    [
      'refuses with its own status',
      () => ({ status: 402, reason: 'pay first', headers: { 'X-Plan': 'none' } }),
      402,
      'pay first',
      0,
    ],
    [
      'throws',
      () => {
        throw new Error('secret detail')
      },
      500,
      'internal error',
      1,
    ],
    ['rejects', () => Promise.reject(new Error('secret detail')), 500, 'internal error', 1],
    ['returns nothing', () => undefined, 500, 'internal error', 1],
    ['returns true', () => true, 500, 'internal error', 1],
    ['names nobody', () => ({ user: '', data: 1 }), 500, 'internal error', 1],
    ['gives a status that is none', () => ({ status: 101, reason: 'x' }), 500, 'internal error', 1],
    [
      'smuggles a header',
      () => ({ status: 401, reason: 'x', headers: { 'X-A': 'a\r\nX-B: b' } }),
      500,
      'internal error',
      1,
    ],
  ])('that %s', async (_, authenticate, status, body, lines) => {
    const rig = await start({ authenticate: authenticate as never })
    const refused: RefusedHandshake[] = []
    rig.hub.on('refused', (refusal) => void refused.push(refusal))
    const client = await rig.connect()
    await client.until(() => client.ended || client.closed)
    expect(client.status).toBe(status)
    expect(client.body).toContain(body)
    expect(`${client.head}${client.body}`).not.toContain('secret')
    if (status === 402) expect(client.field('X-Plan')).toBe('none')
    expect(refused).toMatchObject([{ status, reason: body }])
    expect(rig.lines.length).toBe(lines)
    expect(rig.hub.stats()).toMatchObject({ connections: 0, accepted: 0, refused: 1, handshakes: 0 })
  })

  test.each<[string, () => unknown]>([
    ['a user that was not found', () => ({ user: undefined })],
    ['an empty object', () => ({})],
    ['an empty list', () => []],
    ['an error', () => new Error('no')],
    ['a status with a slip of the pen', () => ({ statusCode: 401, reason: 'no' })],
    ['words of its own', () => ({ ok: false, data: null })],
    ['no headers', () => ({ status: 401, reason: 'x', headers: null })],
    ['headers in a map', () => ({ status: 401, reason: 'x', headers: new Headers({ 'X-A': 'b' }) })],
    ...['connection', 'CONTENT-LENGTH', 'Transfer-Encoding', 'upgrade'].map<[string, () => unknown]>(
      (name) => [
        `a field that frames the answer, ${name}`,
        () => ({ status: 401, reason: 'x', headers: { [name]: '1' } }),
      ],
    ),
    [
      'what throws where it is read',
      () => ({
        get user() {
          throw new Error('secret detail')
        },
      }),
    ],
  ])('that returns %s lets nobody in, and is a mistake', async (_, authenticate) => {
    const rig = await start({ authenticate: authenticate as never })
    const client = await rig.connect()
    await client.until(() => client.ended || client.closed)
    expect([client.status, client.body]).toEqual([500, 'internal error'])
    expect(rig.lines).toMatchObject([{ level: 'error', fields: { event: 'authenticate.failed' } }])
    expect(rig.hub.stats()).toMatchObject({ connections: 0, accepted: 0, refused: 1 })
  })

  test('that returns the token lets nobody in, and the token is not logged', async () => {
    const rig = await start({ authenticate: (({ headers }: HandshakeRequest) => headers.cookie) as never })
    const client = await rig.connect({ headers: { Cookie: 'token=hush' } })
    await client.until(() => client.ended || client.closed)
    expect(client.status).toBe(500)
    const told = rig.lines.map(({ fields }) => String((fields as { error?: unknown }).error))
    expect(told).toEqual([expect.stringMatching(/found a string$/)])
  })

  test('that takes too long gets 503, and what it says later counts no more', async () => {
    let late: (verdict: { data: undefined }) => void = () => {}
    const rig = await start({
      authenticateTimeout: '100ms',
      authenticate: () =>
        new Promise<{ data: undefined }>((resolve) => {
          late = resolve
        }),
    })
    const client = await rig.connect()
    expect(client.status).toBe(503)
    late({ data: undefined })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(rig.hub.stats()).toMatchObject({ connections: 0, accepted: 0, handshakes: 0 })
  })

  test('holds a place, and a client that leaves meanwhile gives it back', async () => {
    let decide: () => void = () => {}
    const rig = await start({
      maxConnections: 1,
      authenticateTimeout: '1h',
      authenticate: () =>
        new Promise<{ data: undefined }>((resolve) => {
          decide = () => resolve({ data: undefined })
        }),
    })
    const opened: unknown[] = []
    rig.hub.on('connection', (connection) => void opened.push(connection))
    const client = RawClient.start({ port: rig.port })
    await eventually(() => rig.hub.stats().handshakes === 1)
    expect((await rig.connect()).status).toBe(503)
    client.destroy()
    await new Promise((resolve) => setTimeout(resolve, 100))
    decide()
    await eventually(() => rig.hub.stats().handshakes === 0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(opened).toEqual([])
    const next = rig.connect()
    await eventually(() => rig.hub.stats().handshakes === 1)
    decide()
    expect((await next).status).toBe(101)
  })
})

test('a place is free again when its client has left while authenticate still thinks', async () => {
  let late: (error: Error) => void = () => {}
  const signals: AbortSignal[] = []
  const rig = await start({
    maxConnections: 2,
    authenticateTimeout: '1h',
    authenticate: ({ url, signal }) => {
      if (url === '/in') return { user: 'ann' }
      signals.push(signal)
      return new Promise<{ user: string }>((_, reject) => {
        late = reject
      })
    },
  })
  const refused: RefusedHandshake[] = []
  rig.hub.on('refused', (refusal) => void refused.push(refusal))
  const clients = [RawClient.start({ port: rig.port }), RawClient.start({ port: rig.port })]
  await eventually(() => rig.hub.stats().handshakes === 2)
  for (const client of clients) client.destroy()
  await eventually(() => rig.hub.stats().handshakes === 0)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  late(new Error('aborted'))
  await rig.open({ path: '/in' })
  expect([refused, rig.lines]).toEqual([[], []])
  expect(rig.hub.stats()).toMatchObject({ accepted: 1, refused: 0 })
})

test('a hub that closes decides about everybody who waits', async () => {
  const rig = await start({
    authenticateTimeout: '1h',
    authenticate: () => new Promise<{ data: undefined }>(() => {}),
  })
  const client = rig.connect()
  await eventually(() => rig.hub.stats().handshakes === 1)
  await rig.hub.close()
  expect((await client).status).toBe(503)
  expect(rig.hub.stats()).toMatchObject({ handshakes: 0, connections: 0 })
})

describe('maxConnections', () => {
  test('answers 503 with Retry-After, and places come back', async () => {
    const rig = await start({ maxConnections: 2 })
    const clients = [await rig.open(), await rig.open()]
    const third = await rig.connect()
    expect(third.status).toBe(503)
    expect(Number(third.field('Retry-After'))).toBeGreaterThanOrEqual(1)
    clients[0]?.destroy()
    await eventually(() => rig.hub.stats().connections === 1)
    await rig.open()
  })
})

describe('origins', () => {
  const origin = async (rig: HubRig, value: string, host?: string) => {
    const client = await rig.connect({
      headers: { Origin: value, ...(host !== undefined && { Host: host }) },
    })
    return client.status
  }

  test('are the same one by default, behind a proxy that ends TLS, too', async () => {
    const rig = await start()
    expect(await origin(rig, `http://127.0.0.1:${rig.port}`)).toBe(101)
    expect(await origin(rig, 'https://app.example', 'app.example')).toBe(101)
    expect(await origin(rig, 'https://app.example', 'app.example:443')).toBe(101)
    expect(await origin(rig, 'https://APP.example', 'app.Example')).toBe(101)
    for (const other of [
      'https://evil.example',
      'https://app.example.evil.example',
      'https://app.example:8443',
      'null',
      'https://evil.example#https://app.example',
      'https://app.example@evil.example',
      'nonsense',
      '',
    ]) {
      expect([other, await origin(rig, other, 'app.example')]).toEqual([
        other,
        other === '' ? expect.any(Number) : 403,
      ])
    }
  })

  test('of a list are allowed besides', async () => {
    const rig = await start({
      origins: ['https://a.example', 'https://*.b.example', 'http://localhost:5173', 'app://main'],
    })
    for (const [value, status] of [
      ['https://a.example', 101],
      ['https://a.example:443', 101],
      ['http://a.example', 403],
      ['https://x.b.example', 101],
      ['https://x.y.b.example', 101],
      ['https://b.example', 403],
      ['https://evilb.example', 403],
      ['http://localhost:5173', 101],
      ['http://localhost:5174', 403],
      ['app://main', 101],
      ['app://other', 403],
    ] as const) {
      expect([value, await origin(rig, value)]).toEqual([value, status])
    }
  })

  test('of any kind need an ugly word', async () => {
    const rig = await start({ dangerouslyAcceptAnyOrigin: true })
    expect(await origin(rig, 'https://evil.example')).toBe(101)
    expect(await origin(rig, 'null')).toBe(101)
  })
})

describe('subprotocols', () => {
  test('may be chosen by a function', async () => {
    const rig = await start({
      protocols: (offered) => {
        if (offered.includes('throw')) throw new Error('of the function')
        if (offered.includes('lie')) return 'not offered'
        return offered.find((name) => name.startsWith('ok')) ?? null
      },
    })
    const answer = async (offer: string) => {
      const client = await rig.connect({ headers: { 'Sec-WebSocket-Protocol': offer } })
      return [client.status, client.field('Sec-WebSocket-Protocol')]
    }
    expect(await answer('a, ok.2')).toEqual([101, 'ok.2'])
    expect(await answer('a, b')).toEqual([101, undefined])
    expect((await answer('throw'))[0]).toBe(500)
    expect((await answer('lie'))[0]).toBe(500)
    expect(rig.lines.length).toBe(2)
    expect(rig.hub.stats().handshakes).toBe(0)
  })
})

describe('a path', () => {
  test('is the only one that is served', async () => {
    const rig = await start({ path: '/ws' })
    expect((await rig.connect({ path: '/ws?x=1' })).status).toBe(101)
    expect((await rig.connect({ path: '/ws/' })).status).toBe(404)
    expect((await rig.connect({ path: '/other' })).status).toBe(404)
  })

  test('is served for WebSockets only', async () => {
    const rig = await start({ path: '/ws' })
    const response = await fetch(`http://127.0.0.1:${rig.port}/ws`)
    const text = await response.text()
    if ('Bun' in globalThis) expect([response.status, text]).toEqual([426, 'this is a WebSocket server'])
    else expect(text).toBe('plain')
  })
})
