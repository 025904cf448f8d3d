import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, test } from 'vitest'
import type { Message } from './support/message-reader.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** What a backend gets for these request bytes, and what the client gets for this answer. */
async function passed(
  request: string,
  options: Parameters<Stage['gateway']>[0] = {},
  answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
): Promise<{ readonly request: Message; readonly answer: Message }> {
  const backend = await stage.raw()
  const { port } = await stage.gateway({ backends: [backend.address], ...options })
  const client = await stage.client(port)
  client.send(request)
  const wire = await backend.connection(0)
  const got = await wire.message('request')
  wire.send(answer)
  return { request: got, answer: await client.message() }
}

const trusting = { trustedProxies: ['127.0.0.0/8'] }

/** A GET with further lines. */
function get(...lines: string[]): string {
  return `GET /x HTTP/1.1\r\n${['Host: Shop.test:8080', ...lines].join('\r\n')}\r\n\r\n`
}

describe('fields that are meant for one hop stay there', () => {
  test('on the way to the backend', async () => {
    const { request } = await passed(
      get(
        'Connection: close, X-Private, Content-Type, Authorization',
        'X-Private: 1',
        'Content-Type: text/plain',
        'Authorization: Basic x',
        'Keep-Alive: timeout=5',
        'Proxy-Authorization: Basic y',
        'Proxy-Connection: keep-alive',
        'Proxy: http://evil.test',
        'TE: trailers, gzip',
        'Upgrade: h2c',
        'X-Kept: 1',
      ),
    )
    const names = [...request.fields.keys()]
    for (const gone of ['connection', 'x-private', 'keep-alive', 'proxy', 'upgrade'])
      expect(names).not.toContain(gone)
    expect(names.filter((name) => name.startsWith('proxy'))).toEqual([])
    expect(request.fields.get('te')).toEqual(['trailers'])
    expect(request.fields.get('x-kept')).toEqual(['1'])
    // No client may make us drop what decides about identity or content.
    expect(request.fields.get('authorization')).toEqual(['Basic x'])
    expect(request.fields.get('content-type')).toEqual(['text/plain'])
  })

  test('on the way to the client', async () => {
    const { answer } = await passed(
      get(),
      {},
      'HTTP/1.1 200 OK\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n',
    )
    expect([...answer.fields.keys()].sort()).toEqual(['content-length', 'set-cookie'])
    expect(answer.fields.get('set-cookie')).toEqual(['a=1', 'b=2'])
  })
})

describe('what a backend is told about the client', () => {
  test('is what the gateway knows, whatever an untrusted client claims', async () => {
    const { request } = await passed(
      get(
        'X-Forwarded-For: 10.0.0.1',
        'x-forwarded-for: 10.0.0.2',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: evil.test',
        'X-Forwarded-Port: 443',
        'X-Forwarded-Prefix: /admin',
        'X_Forwarded_For: 10.0.0.3',
        'X-Forwarded_Host: evil.test',
        'Forwarded: for=10.0.0.1',
        'X-Request-Id: mine',
        'Connection: X-Forwarded-For, Forwarded, X-Request-Id, Host',
      ),
    )
    const { fields } = request
    expect(fields.get('x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(fields.get('x-forwarded-proto')).toEqual(['http'])
    expect(fields.get('x-forwarded-host')).toEqual(['Shop.test:8080'])
    expect(fields.get('forwarded')).toEqual(['for=127.0.0.1;host="Shop.test:8080";proto=http'])
    expect(fields.get('x-request-id')?.length).toBe(1)
    expect(fields.get('x-request-id')).not.toEqual(['mine'])
    expect(fields.get('host')).toEqual(['Shop.test:8080'])
    expect([...fields.values()].flat().join(' ')).not.toMatch(/10\.0\.0|evil|admin|443/)
  })

  test('continues what a trusted proxy told', async () => {
    const { request } = await passed(
      get(
        'X-Forwarded-For: 203.0.113.7, 10.0.0.1',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: public.test',
        'X-Forwarded-Port: 443',
        'Forwarded: for=203.0.113.7;proto=https',
        'X-Request-Id: abc-123',
      ),
      trusting,
    )
    const { fields } = request
    expect(fields.get('x-forwarded-for')).toEqual(['203.0.113.7, 10.0.0.1, 127.0.0.1'])
    expect(fields.get('x-forwarded-proto')).toEqual(['https'])
    expect(fields.get('x-forwarded-host')).toEqual(['public.test'])
    expect(fields.get('x-forwarded-port')).toEqual(['443'])
    expect(fields.get('forwarded')).toEqual([
      'for=203.0.113.7;proto=https, for=127.0.0.1;host="public.test";proto=https',
    ])
    expect(fields.get('x-request-id')).toEqual(['abc-123'])
  })

  test.each(['X-Real-IP', 'X-Client-Ip', 'x_real_ip'])(
    '%s is only believed of trusted proxies',
    async (name) => {
      const of = async (options?: typeof trusting) => {
        const { request } = await passed(get(`${name}: 203.0.113.7`), options)
        return request.fields.get(name.toLowerCase())
      }
      expect(await of()).toBe(undefined)
      expect(await of(trusting)).toEqual(['203.0.113.7'])
    },
  )

  test('names IPv6 clients in brackets where RFC 7239 wants them', async () => {
    const backend = await stage.raw()
    const { gateway } = await stage.gateway({
      backends: [backend.address],
      listen: [{ port: 0, host: '::1' }],
    })
    expect(gateway.listeners[0]?.address).toMatch(/^http:\/\/\[::1\]:\d+$/)
    const client = await stage.client(`[::1]:${gateway.listeners[0]?.port}`)
    client.send(get())
    const { fields } = await (await backend.connection(0)).message('request')
    expect(fields.get('x-forwarded-for')).toEqual(['::1'])
    expect(fields.get('forwarded')?.[0]).toMatch(/^for="\[::1\]";/)
  })

  test('is not believed of a client that resets before it is accepted', async () => {
    const seen: (readonly string[] | undefined)[] = []
    const backend = await stage.raw(async (wire) => {
      const { fields } = await wire.message('request')
      seen.push(fields.get('x-forwarded-for'))
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    })
    const { port, log } = await stage.gateway({ backends: [backend.address] })
    // This process is blocked meanwhile: the connection is reset before anybody accepts it.
    const script = `const socket = require('node:net').connect(${port}, '127.0.0.1', () => {
      socket.write(${JSON.stringify(get('X-Forwarded-For: 10.6.6.6'))}, () => socket.resetAndDestroy())
    }); socket.on('close', () => process.exit(0))`
    for (let i = 0; i < 5; i++) spawnSync(process.execPath, ['-e', script])
    const client = await stage.client(port)
    await client.send(get()).message()
    expect(seen.flat()).toContain('127.0.0.1')
    expect(seen.flat().join()).not.toContain('10.6.6.6')
    expect(log.lines.filter(({ client }) => client === 'unix')).toEqual([])
  })
})

describe('Host', () => {
  test('an absolute target replaces it when both agree', async () => {
    const { request } = await passed('GET http://a.test/p?q=1 HTTP/1.1\r\nHost: a.test\r\n\r\n')
    expect(request.start).toBe('GET /p?q=1 HTTP/1.1')
    expect(request.fields.get('host')).toEqual(['a.test'])
  })

  test('is sent empty for an HTTP/1.0 client that named none', async () => {
    const { request } = await passed('GET /x HTTP/1.0\r\n\r\n')
    expect(request.start).toBe('GET /x HTTP/1.1')
    expect(request.fields.get('host')).toEqual([''])
  })

  test.each([
    ['twice', 'GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n'],
    ['missing', 'GET / HTTP/1.1\r\n\r\n'],
    ['unlike the target', 'GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n'],
    ['with a path', 'GET / HTTP/1.1\r\nHost: a.test/admin\r\n\r\n'],
    ['with userinfo', 'GET / HTTP/1.1\r\nHost: user@a.test\r\n\r\n'],
  ])('%s is answered 400', async (_name, request) => {
    const { port } = await stage.gateway()
    const client = await stage.client(port)
    expect((await client.send(request).message()).status).toBe(400)
    expect(await client.ending()).toBe('fin')
  })
})
