import { afterEach, describe, expect, test } from 'vitest'
import { answering } from './support/raw-backend.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n'
const post = 'POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi'
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Backend and client after one request, whose backend connection is idle now. */
async function afterOne(options: Parameters<Stage['gateway']>[0] = {}, first = ok) {
  const backend = await stage.raw()
  const running = await stage.gateway({ backends: [backend.address], ...options })
  const client = await stage.client(running.port)
  client.send(get)
  const wire = await backend.connection(0)
  await wire.message('request')
  wire.send(first)
  await client.message()
  return { ...running, backend, wire, client }
}

describe('a connection to a backend', () => {
  test('serves one request after another, also of different clients', async () => {
    const backend = await stage.http((_request, response) => response.end('ok'))
    const { port, gateway } = await stage.gateway({ backends: [backend.address] })
    for (let i = 0; i < 3; i++) {
      const client = await stage.client(port)
      for (let j = 0; j < 3; j++) expect((await client.send(get).message()).body).toBe('ok')
    }
    expect(backend.connections).toBe(1)
    expect(gateway.backends[0]).toMatchObject({ requests: 9, connections: 0, connectFailures: 0 })
  })

  test('that the backend closed while idle is not used for the next request', async () => {
    const { backend, wire, client } = await afterOne()
    wire.end()
    expect(await wire.ending()).toBe('fin')
    client.send(post)
    const next = await backend.connection(1)
    await next.message('request')
    next.send(ok)
    expect((await client.message()).body).toBe('ok')
  })

  test('that dies in the moment of use costs a GET nothing', async () => {
    const { backend, wire, client } = await afterOne()
    client.send(get)
    await wire.message('request')
    wire.reset()
    const next = await backend.connection(1)
    expect((await next.message('request')).start).toBe('GET /x HTTP/1.1')
    next.send(ok)
    expect((await client.message()).body).toBe('ok')
    expect(backend.connections.length).toBe(2)
  })

  test('that dies in the moment of use costs a DELETE with an empty body nothing', async () => {
    const { backend, wire, client } = await afterOne()
    client.send('DELETE /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n')
    await wire.message('request')
    wire.reset()
    const next = await backend.connection(1)
    expect((await next.message('request')).start).toBe('DELETE /x HTTP/1.1')
    next.send(ok)
    expect((await client.message()).body).toBe('ok')
  })

  test('that ends in the moment of use costs a GET nothing, and is tried once more only', async () => {
    const { backend, wire, client } = await afterOne()
    client.send(get)
    await wire.message('request')
    wire.end()
    const next = await backend.connection(1)
    await next.message('request')
    next.end()
    expect((await client.message()).status).toBe(502)
    expect(backend.connections.length).toBe(2)
  })

  test('that dies in the moment of use makes a POST 502, never two', async () => {
    const { backend, wire, client } = await afterOne()
    client.send(post)
    await wire.message('request')
    wire.reset()
    const answer = await client.message()
    expect([answer.status, answer.body.includes('BACKEND_CLOSED')]).toEqual([502, true])
    expect(backend.connections.length).toBe(1)
    // All of the body had come, so the client's connection is still good.
    client.send(post)
    expect((await (await backend.connection(1)).message('request')).body).toBe('hi')
  })

  test('that gave a sign of life is not tried again', async () => {
    const { backend, wire, client } = await afterOne()
    client.send(get)
    await wire.message('request')
    wire.send('HTTP/1.1 103 Early Hints\r\n\r\n')
    expect((await client.message()).status).toBe(103)
    wire.end()
    expect((await client.message()).status).toBe(502)
    expect(backend.connections.length).toBe(1)
  })

  test('that speaks without being asked is dropped, and nobody gets its words', async () => {
    const { backend, wire, client } = await afterOne()
    wire.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
    expect(await wire.ending()).toBe('reset')
    client.send(get)
    const next = await backend.connection(1)
    await next.message('request')
    next.send(ok)
    expect((await client.message()).body).toBe('ok')
    expect(client.pending).toBe(0)
  })

  test('is closed after its time', async () => {
    const { wire } = await afterOne({ timeouts: { backendIdle: '100ms' } })
    expect(await wire.ending()).toBe('fin')
  })

  test.each([
    ['1', 'Keep-Alive: timeout=1'],
    ['0', 'Keep-Alive: timeout=0'],
    ['1 among others', 'Keep-Alive: max=100, timeout=1'],
  ])('is not kept when the backend keeps it only for %s s', async (_name, field) => {
    const { wire } = await afterOne({}, `HTTP/1.1 200 OK\r\n${field}\r\nContent-Length: 2\r\n\r\nok`)
    expect(await wire.ending()).toBe('reset')
  })

  test('is kept for a little less than the backend says', async () => {
    const { wire } = await afterOne({}, ok.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=2\r\n\r\n'))
    const started = performance.now()
    await wire.ending()
    expect(performance.now() - started).toBeLessThan(1900)
  })

  test('is not kept after Connection: close, and is ended in order', async () => {
    const { wire, backend, client } = await afterOne(
      {},
      ok.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
    )
    expect(await wire.ending()).toBe('fin')
    client.send(get)
    await backend.connection(1)
  })

  test('is used once when none may be kept', async () => {
    const { wire, client, backend } = await afterOne({ limits: { idleBackendConnections: 0 } })
    await wire.ending()
    client.send(get)
    await backend.connection(1)
  })

  test('may live on when its client leaves between requests', async () => {
    const { client, port, backend, wire } = await afterOne()
    client.reset()
    const other = await stage.client(port)
    other.send(get)
    await wire.message('request')
    expect(backend.connections.length).toBe(1)
  })
})

describe('round robin', () => {
  test('gives each backend its weight', async () => {
    const one = await stage.http((_request, response) => response.end('one'))
    const two = await stage.http((_request, response) => response.end('two'))
    const none = await stage.http((_request, response) => response.end('none'))
    const backends = [one.address, { address: two.address, weight: 3 }, { address: none.address, weight: 0 }]
    const { port, gateway } = await stage.gateway({ pools: { main: { backends } } })
    const client = await stage.client(port)
    const count = new Map<string, number>()
    for (let i = 0; i < 40; i++) {
      const { body } = await client.send(get).message()
      count.set(body, (count.get(body) ?? 0) + 1)
    }
    expect(Object.fromEntries(count)).toEqual({ one: 10, two: 30 })
    expect(gateway.backends.map(({ requests, weight }) => [requests, weight])).toEqual([
      [10, 1],
      [30, 3],
      [0, 0],
    ])
  })
})

describe('a backend that cannot be reached', () => {
  test('is passed over, for a POST too, and its body arrives whole', async () => {
    const gone = await stage.raw()
    const { address } = gone
    await gone.close()
    const backend = await stage.raw(answering('ok'))
    const { port, gateway, log } = await stage.gateway({ backends: [address, backend.address] })
    const client = await stage.client(port)
    for (let i = 0; i < 4; i++) expect((await client.send(post).message()).body).toBe('ok')
    expect(gateway.backends[0]?.connectFailures).toBeGreaterThan(0)
    // Also a backend that is the second choice is reached over the connection that is there already.
    expect(backend.connections.length).toBe(1)
    expect(log.of('backend.connect_failed')[0]).toMatchObject({ code: 'BACKEND_REFUSED', backend: address })
  })

  test('at one address of its name is tried at the other', async () => {
    const backend = await stage.raw(answering('ok'), '127.0.0.1')
    const other = await stage.raw(answering('ok'), '::1')
    const [four, six] = [backend, other].map(({ port }) => `localhost:${port}`) as [string, string]
    const { port } = await stage.gateway({
      pools: { four: { backends: [four] }, six: { backends: [six] } },
      routes: [{ match: { path: '/four' }, pool: 'four' }, { pool: 'six' }],
    })
    const client = await stage.client(port)
    expect((await client.send(get.replace('/x', '/four')).message()).body).toBe('ok')
    const { status } = await client.send(get).message()
    // Where `localhost` is IPv4 only there is no other address.
    expect([200, 502]).toContain(status)
  })
})
