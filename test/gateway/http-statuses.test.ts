import { request } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'
const socket = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

async function refusedPort(): Promise<string> {
  const gone = await stage.raw()
  const { address } = gone
  await gone.close()
  return address
}

describe('what cannot be served gets a short answer that names its code and request', () => {
  test.each([
    ['a malformed line', 'GET /x\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'REQUEST_MALFORMED'],
    ['a backslash in the path', 'GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['a bad escape', 'GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['NUL in the path', 'GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['a fragment', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    ['CONNECT', 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n', 501, 'REQUEST_MALFORMED'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'REQUEST_MALFORMED'],
    ['a gzip coding', `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n`, 501, ''],
    ['a tea expectation', `POST /x HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n`, 417, ''],
    [
      'a large head',
      `GET /x HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(16_400)}\r\n\r\n`,
      431,
      'REQUEST_HEAD_TOO_LARGE',
    ],
    ['an endless head', `GET /x HTTP/1.1\r\nX: ${'x'.repeat(17_000)}`, 431, 'REQUEST_HEAD_TOO_LARGE'],
    ['many fields', `GET /x HTTP/1.1\r\n${'X: 1\r\n'.repeat(101)}\r\n`, 431, 'REQUEST_HEAD_TOO_LARGE'],
  ])('and the end of the connection: %s', async (_name, bytes, status, code) => {
    const { port, log } = await stage.gateway()
    const client = await stage.client(port)
    const answer = await client.send(bytes).message()
    const id = log.of('request.refused')[0]?.requestId
    expect(answer.status).toBe(status)
    expect(answer.body).toContain(code)
    expect(answer.body).toContain(`request ${id}`)
    expect(answer.fields.get('content-type')).toEqual(['text/plain; charset=utf-8'])
    expect(answer.fields.get('connection')).toEqual(['close'])
    expect(await client.ending()).toBe('fin')
  })

  test('and keeps the connection where the next request is safe', async () => {
    const refused = await refusedPort()
    const { port } = await stage.gateway({
      pools: { refused: { backends: [refused] }, off: { backends: [{ address: refused, weight: 0 }] } },
      routes: [
        { match: { path: '/refused' }, pool: 'refused' },
        { match: { path: '/off' }, pool: 'off' },
      ],
    })
    const client = await stage.client(port)
    const cases = [
      ['/refused', '', 502, 'BACKEND_REFUSED'],
      ['/off', '', 503, 'NO_BACKEND'],
      ['/nowhere', '', 404, 'ROUTE_NOT_FOUND'],
      ['/off', `${socket}${key}Sec-WebSocket-Version: 13\r\n`, 503, 'NO_BACKEND'],
      ['/refused', `${socket}${key}Sec-WebSocket-Version: 13\r\n`, 502, 'BACKEND_REFUSED'],
      ['/off', `${socket}${key}Sec-WebSocket-Version: 8\r\n`, 426, 'UPGRADE_INVALID'],
      ['/off', `${socket}Sec-WebSocket-Version: 13\r\n`, 400, 'UPGRADE_INVALID'],
    ] as const
    for (const [path, fields, status, code] of cases) {
      const answer = await client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n`).message()
      expect([answer.status, path]).toEqual([status, path])
      expect(answer.body).toContain(code)
      expect(answer.fields.get('connection')?.[0]).not.toBe('close')
      expect(answer.fields.has('retry-after')).toBe(status === 503)
      if (status === 426) expect(answer.fields.get('sec-websocket-version')).toEqual(['13'])
    }
  })

  test('without a body for HEAD', async () => {
    const { port } = await stage.gateway({ routes: [{ match: { path: '/only' }, pool: 'main' }] })
    const client = await stage.client(port)
    client.send(get.replace('GET', 'HEAD'))
    const answer = await client.message('response to HEAD')
    expect([answer.status, Number(answer.fields.get('content-length')?.[0]) > 0]).toEqual([404, true])
    expect((await client.send(get).message()).status).toBe(404)
    expect(client.pending).toBe(0)
  })

  test('and the end of the connection when a body of its request would follow', async () => {
    const { port } = await stage.gateway({ routes: [{ match: { path: '/only' }, pool: 'main' }] })
    const client = await stage.client(port)
    client.send('POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nGET /smuggled HTTP/1.1\r\n')
    expect((await client.message()).fields.get('connection')).toEqual(['close'])
    expect(await client.rest()).toEqual({ text: '', ending: 'fin' })
  })

  test('asks for another try after different times', async () => {
    const { port } = await stage.gateway({
      pools: { main: { backends: [{ address: '127.0.0.1:1', weight: 0 }] } },
    })
    const client = await stage.client(port)
    const seen = new Set<string | undefined>()
    for (let i = 0; i < 50; i++) seen.add((await client.send(get).message()).fields.get('retry-after')?.[0])
    expect(seen.size).toBeGreaterThan(1)
    for (const value of seen) expect(value).toMatch(/^[1-5]$/)
  })
})

describe('routes', () => {
  async function routed() {
    const pools = ['public', 'admin', 'beta', 'wild', 'exact', 'other']
    const entries = await Promise.all(
      pools.map(async (name) => {
        const backend = await stage.raw(async (wire) => {
          for (;;) {
            const { start } = await wire.message('request')
            const text = `${name} ${start.split(' ')[1]}`
            wire.send(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
          }
        })
        return [name, { backends: [backend.address] }] as [string, { backends: string[] }]
      }),
    )
    const { port } = await stage.gateway({
      pools: Object.fromEntries(entries),
      routes: [
        { match: { host: 'other.test' }, pool: 'other' },
        { match: { host: '*.wild.test' }, pool: 'wild' },
        { match: { headers: { 'X-Beta': 'yes' } }, pool: 'beta' },
        { match: { path: '/admin' }, pool: 'admin' },
        { match: { path: { exact: '/exact' } }, pool: 'exact' },
        { match: { path: '/public' }, pool: 'public' },
      ],
    })
    const client = await stage.client(port)
    return async (path: string, host = 'a.test', fields = '') => {
      const { status, body } = await client
        .send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`)
        .message()
      return status === 200 ? body : status
    }
  }

  test('take host, wildcard, header, exact path and prefix, the first that matches', async () => {
    const ask = await routed()
    expect(await ask('/public/a?q=1')).toBe('public /public/a?q=1')
    expect(await ask('/publicity')).toBe(404)
    expect(await ask('/exact')).toBe('exact /exact')
    expect(await ask('/exact/below')).toBe(404)
    expect(await ask('/admin', 'OTHER.test:8080')).toBe('other /admin')
    expect(await ask('/x', 'a.b.wild.test.')).toBe('wild /x')
    expect(await ask('/x', 'wild.test')).toBe(404)
    expect(await ask('/x', 'a.test', 'x-beta: yes\r\n')).toBe('beta /x')
    expect(await ask('/x', 'a.test', 'x-beta: no\r\n')).toBe(404)
  })

  test.each([
    ['/public/../admin', 'admin /admin'],
    ['/public/%2e%2e/admin', 'admin /admin'],
    ['/public/.%2E/admin', 'admin /admin'],
    ['/public/./../admin/', 'admin /admin/'],
    ['/%61dmin', 'admin /admin'],
    ['/public/../../../admin', 'admin /admin'],
    ['http://a.test/public/../admin', 'admin /admin'],
    ['/public?/../admin', 'public /public?/../admin'],
    ['/public/..%2fadmin', 'public /public/..%2Fadmin'],
    ['//admin', 404],
    ['/public//../admin', 'public /public/admin'],
    ['/ADMIN', 404],
    ['/public/%252e%252e/admin', 'public /public/%252e%252e/admin'],
  ])('match the path that is forwarded: %s', async (path, expected) => {
    const ask = await routed()
    expect(await ask(path)).toBe(expected)
  })
})

test('Unix sockets work as listener and as backend', async () => {
  const folder = await stage.folder()
  const backend = await stage.raw(answering('ok'), `${folder}/backend.sock`)
  const { gateway } = await stage.gateway({
    listen: [{ path: `${folder}/gateway.sock` }],
    backends: [backend.address],
  })
  expect(gateway.listeners).toEqual([{ address: `unix:${folder}/gateway.sock`, port: 0 }])
  const client = await stage.client(`${folder}/gateway.sock`)
  for (let i = 0; i < 3; i++) expect((await client.send(get).message()).body).toBe('ok')
  expect(backend.connections.length).toBe(1)
  const answer = new Promise((resolve, reject) => {
    request({ socketPath: `${folder}/gateway.sock`, path: '/x' }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end()
  })
  expect(await answer).toBe(200)
})

describe('the log', () => {
  const secret = 'SECRET7'

  test('has one line for each request, and nothing that may be a secret', async () => {
    const backend = await stage.raw(answering('ok'))
    const { port, log } = await stage.gateway({
      backends: [backend.address, await refusedPort()],
      routes: [{ match: { path: '/a' }, pool: 'main' }],
      log: { level: 'debug' },
    })
    const fields = `Host: a.test\r\nCookie: ${secret}\r\nAuthorization: Bearer ${secret}\r\nX-Token: ${secret}\r\n`
    const client = await stage.client(port)
    const line = (path: string) => `GET ${path}?token=${secret} HTTP/1.1\r\n${fields}`
    for (let i = 0; i < 3; i++) await client.send(`${line('/a/b')}\r\n`).message()
    await client.send(`${line('/nowhere')}\r\n`).message()
    await client.send(`POST /a HTTP/1.1\r\n${fields}Content-Length: 3\r\n\r\nabc`).message()
    await client.send(`${line('/a')}X-Bad : ${secret}\r\n\r\n`).message()
    expect(log.of('request.completed').length).toBe(5)
    expect(log.of('request.refused').length).toBe(1)
    const { requestId, durationMs, attempts, ...rest } = log.of('request.completed')[0] ?? {}
    expect(rest).toEqual({
      level: 'info',
      event: 'request.completed',
      client: '127.0.0.1',
      method: 'GET',
      host: 'a.test',
      path: '/a/b',
      status: 200,
      backend: backend.address,
      bytesFromClient: 0,
      bytesFromBackend: 2,
      message: 'request',
    })
    expect([1, 2]).toContain(attempts)
    expect(typeof requestId).toBe('string')
    expect(durationMs as number).toBeGreaterThan(0)
    expect(log.of('request.completed')[4]).toMatchObject({ method: 'POST', bytesFromClient: 3 })
    expect(log.of('request.completed')[3]).toMatchObject({ code: 'ROUTE_NOT_FOUND', status: 404 })
    expect(JSON.stringify(log.lines)).not.toContain(secret)
  })

  test('has no access lines when they are off', async () => {
    const backend = await stage.raw(answering('ok'))
    const { port, log } = await stage.gateway({ backends: [backend.address], log: { access: false } })
    await (await stage.client(port)).send(get).message()
    expect(log.lines).toEqual([])
  })

  test('an upgrade that its backend declines is one line, which counts the wait as well', async () => {
    const backend = await stage.raw()
    const { port, log } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    const started = performance.now()
    client.send(`GET /ws HTTP/1.1\r\nHost: a.test\r\n${socket}${key}Sec-WebSocket-Version: 13\r\n\r\n`)
    const wire = await backend.connection(0)
    await wire.message('request')
    const waited = performance.now()
    while (performance.now() - waited < 20) await new Promise((resolve) => setImmediate(resolve))
    wire.send('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno')
    expect((await client.message()).body).toBe('no')
    const [line, ...more] = log.of('request.completed')
    expect(more).toEqual([])
    expect(line).toMatchObject({ status: 401, path: '/ws' })
    expect(line?.durationMs as number).toBeGreaterThan(19)
    expect(line?.durationMs as number).toBeLessThan(performance.now() - started)
  })
})
