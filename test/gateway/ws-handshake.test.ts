import { afterEach, describe, expect, test } from 'vitest'
import { blackHole } from './support/black-hole.ts'
import { clientFrame, frame, opcodes, readFrame } from './support/frames.ts'
import { acceptUpgrade, sampleAccept, sampleKey, switching, upgradeRequest } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

/** A client that asked for an upgrade and the backend's end, on which the request has been read. */
async function asked(request = upgradeRequest(), options: Parameters<Stage['gateway']>[0] = {}) {
  const backend = await stage.raw()
  const running = await stage.gateway({ backends: [backend.address], ...options })
  const client = await stage.client(running.port)
  client.send(request)
  const server = await backend.connection(0)
  return { ...running, backend, client, server, request: await server.message('request') }
}

/** The answer to a request that must not reach any backend. */
async function refused(request: string) {
  const backend = await stage.raw()
  const { port } = await stage.gateway({ backends: [backend.address] })
  const client = await stage.client(port)
  const answer = await client.send(request).message()
  expect(backend.connections.length).toBe(0)
  return answer
}

describe('an upgrade request', () => {
  test('reaches the backend rebuilt, with what the client offers, and without what is not its business', async () => {
    const { request } = await asked(
      upgradeRequest({
        Connection: 'keep-alive, Upgrade, X-Secret',
        Upgrade: 'WebSocket',
        'X-Secret': 'hop',
        Origin: 'http://a.test',
        Cookie: 'a=b',
        'Sec-WebSocket-Protocol': 'chat, superchat',
        'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
      }),
    )
    expect(request.start).toBe('GET /chat HTTP/1.1')
    const fields = Object.fromEntries([...request.fields].map(([name, values]) => [name, values.join('|')]))
    expect(fields).toMatchObject({
      host: 'a.test',
      connection: 'Upgrade',
      upgrade: 'websocket',
      origin: 'http://a.test',
      cookie: 'a=b',
      'sec-websocket-key': sampleKey,
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'chat, superchat',
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
      'x-forwarded-for': '127.0.0.1',
    })
    expect(fields).not.toHaveProperty('x-secret')
  })

  test('byte by byte, answered byte by byte, becomes a tunnel', async () => {
    const backend = await stage.raw()
    const { port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    for (const byte of upgradeRequest()) await client.flush(Buffer.from(byte))
    const server = await backend.connection(0)
    await server.message('request')
    const answer = switching({ 'Sec-WebSocket-Protocol': null })
    for (const byte of answer) await server.flush(Buffer.from(byte))
    expect((await client.message()).status).toBe(101)
    server.send(frame(opcodes.text, 'hi'))
    expect((await readFrame(client)).payload.toString()).toBe('hi')
  })

  test('pipelined behind a request becomes a tunnel that is read on', async () => {
    const backend = await stage.raw()
    const { port } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    client.send(
      `GET /page HTTP/1.1\r\nHost: a.test\r\n\r\n${upgradeRequest()}${clientFrame(1, 'early').toString('latin1')}`,
    )
    const page = await backend.connection(0)
    await page.message('request')
    page.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    expect((await client.message()).body).toBe('ok')
    const server = await backend.connection(1)
    await acceptUpgrade(server)
    expect((await readFrame(server)).payload.toString()).toBe('early')
    client.send(clientFrame(1, 'later'))
    expect((await readFrame(server)).payload.toString()).toBe('later')
  })

  test.each([
    ['POST', upgradeRequest({}, 'POST /chat HTTP/1.1'), 400],
    ['a body', `${upgradeRequest({ 'Content-Length': '2' })}hi`, 400],
    ['a chunked body', `${upgradeRequest({ 'Transfer-Encoding': 'chunked' })}0\r\n\r\n`, 400],
    ['no key', upgradeRequest({ 'Sec-WebSocket-Key': null }), 400],
    ['a short key', upgradeRequest({ 'Sec-WebSocket-Key': 'c2hvcnQ=' }), 400],
    ['two keys', upgradeRequest({ 'sec-websocket-key': sampleKey }), 400],
    ['no version', upgradeRequest({ 'Sec-WebSocket-Version': null }), 400],
  ])('with %s is refused before any backend hears of it', async (_name, request, status) => {
    const answer = await refused(request)
    expect([answer.status, answer.body.includes('UPGRADE_INVALID')]).toEqual([status, true])
  })

  test.each(['8', '14', '13, 8'])(
    'of version %s is answered 426 with the version that works',
    async (version) => {
      const answer = await refused(upgradeRequest({ 'Sec-WebSocket-Version': version }))
      expect(answer.status).toBe(426)
      expect(answer.fields.get('sec-websocket-version')).toEqual(['13'])
      expect(answer.fields.get('upgrade')).toEqual(['websocket'])
    },
  )

  test.each([
    ['HTTP/1.0', upgradeRequest({}, 'GET /chat HTTP/1.0')],
    ['Upgrade without Connection', upgradeRequest({ Connection: 'keep-alive' })],
    ['another protocol', upgradeRequest({ Upgrade: 'h2c' })],
  ])('with %s is an ordinary request', async (_name, text) => {
    const { client, server, request } = await asked(text)
    expect([request.fields.get('upgrade'), request.fields.get('connection')]).toEqual([undefined, undefined])
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    expect((await client.message()).body).toBe('ok')
  })
})

describe('a 101', () => {
  test('is passed on with what the backend chose, and nothing else decides what is a tunnel', async () => {
    const offers = {
      'Sec-WebSocket-Protocol': 'chat, superchat',
      'Sec-WebSocket-Extensions': 'permessage-deflate',
    }
    const { client, server, gateway } = await asked(upgradeRequest(offers))
    const choice = { 'Sec-WebSocket-Protocol': 'superchat', 'Sec-WebSocket-Extensions': 'permessage-deflate' }
    server.send(switching({ ...choice, Upgrade: 'WebSocket', Connection: 'upgrade', 'X-Own': '1' }))
    const answer = await client.message()
    expect(answer.start).toBe('HTTP/1.1 101 Switching Protocols')
    expect(Object.fromEntries(answer.fields)).toEqual({
      upgrade: ['websocket'],
      connection: ['Upgrade'],
      'sec-websocket-accept': [sampleAccept],
      'sec-websocket-protocol': ['superchat'],
      'sec-websocket-extensions': ['permessage-deflate'],
      'x-own': ['1'],
    })
    expect(gateway.backends[0]?.connections).toBe(1)
  })

  test.each<[string, Record<string, string | null>]>([
    ['answers another key', { 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }],
    ['answers no key', { 'Sec-WebSocket-Accept': null }],
    ['answers twice', { 'sec-websocket-accept': sampleAccept }],
    ['has no Upgrade', { Upgrade: null }],
    ['has no Connection', { Connection: null }],
    ['upgrades to something else', { Upgrade: 'h2c' }],
    ['names a subprotocol that was not offered', { 'Sec-WebSocket-Protocol': 'chat' }],
    ['names an extension that was not offered', { 'Sec-WebSocket-Extensions': 'permessage-deflate' }],
  ])('that %s is a 502, and no tunnel', async (_name, lines) => {
    const { client, server, gateway, log } = await asked()
    server.send(switching(lines))
    const answer = await client.message()
    expect([answer.status, answer.body.includes('BACKEND_UPGRADE_INVALID')]).toEqual([502, true])
    expect(await server.ending()).toBe('reset')
    expect(gateway.backends[0]?.connections).toBe(0)
    expect(log.of('tunnel.opened')).toEqual([])
    expect(await log.line('request.completed')).toMatchObject({
      status: 502,
      code: 'BACKEND_UPGRADE_INVALID',
    })
  })

  test('to a request that asked for nothing is a 502', async () => {
    const { client, server } = await asked('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    server.send(switching())
    expect((await client.message()).status).toBe(502)
    expect(await server.ending()).toBe('reset')
  })

  test('may come behind interim answers', async () => {
    const { client, server } = await asked()
    server.send(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${switching()}`)
    expect((await client.message()).status).toBe(101)
  })

  test('may claim a length of zero, which is not passed on', async () => {
    const { client, server } = await asked()
    server.send(switching({ 'Content-Length': '0' }))
    const answer = await client.message()
    expect([answer.status, answer.fields.has('content-length')]).toEqual([101, false])
  })
})

describe('an answer that is no 101', () => {
  test.each([
    ['200', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Own: 1\r\n\r\nplain', 'plain'],
    ['401', 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno', 'no'],
    [
      '403',
      'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n1\r\n!\r\n0\r\n\r\n',
      'not!',
    ],
    ['426', 'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 7\r\nContent-Length: 0\r\n\r\n', ''],
    ['404', 'HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nuntil the end', 'until the end'],
  ])(
    'is passed on whole (%s), also byte by byte, and the connection serves on',
    async (status, text, body) => {
      const { client, server, gateway, log } = await asked()
      for (const byte of text) await server.flush(Buffer.from(byte))
      if (!/Content-Length|chunked/.test(text)) server.end()
      const answer = await client.message()
      expect([answer.status, answer.body]).toEqual([Number(status), body])
      expect(gateway.backends[0]?.connections).toBe(0)
      expect(await log.line('request.completed')).toMatchObject({ status: Number(status), path: '/chat' })
      if (answer.fields.has('connection')) expect(await client.ending()).toBe('fin')
      else
        expect((await client.send(upgradeRequest({ 'Sec-WebSocket-Key': null })).message()).status).toBe(400)
    },
  )

  test('ends the connection when the client has sent frames already', async () => {
    const { client, server } = await asked(`${upgradeRequest()}${clientFrame(1, 'GET').toString('latin1')}`)
    server.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
    const answer = await client.message()
    expect([answer.status, answer.fields.get('connection')]).toEqual([403, ['close']])
    expect(await client.ending()).toBe('fin')
  })

  test.each<[string, (server: Wire) => unknown, string]>([
    ['closes', (server) => server.end(), 'BACKEND_CLOSED'],
    ['resets', (server) => server.reset(), 'BACKEND_CLOSED'],
    ['closes within its answer', (server) => server.send('HTTP/1.1 101 Swi').end(), 'BACKEND_CLOSED'],
    ['speaks no HTTP', (server) => server.send('SSH-2.0-x\r\n\r\n'), 'BACKEND_RESPONSE_INVALID'],
  ])('because the backend %s is a 502', async (_name, act, code) => {
    const { client, server } = await asked()
    act(server)
    const answer = await client.message()
    expect([answer.status, answer.body.includes(code)]).toEqual([502, true])
  })

  test('within the upgrade timeout is a 504, and the backend is let go (envoy#41068)', async () => {
    const { client, server, log } = await asked(upgradeRequest(), { timeouts: { upgrade: '200ms' } })
    const answer = await client.message()
    expect([answer.status, answer.body.includes('BACKEND_RESPONSE_TIMEOUT')]).toEqual([504, true])
    expect(await server.ending()).toBe('reset')
    expect(await log.line('request.completed')).toMatchObject({ status: 504 })
  })
})

describe('choosing a backend', () => {
  test('one that refuses is passed over before the 101', async () => {
    const dead = await stage.raw()
    const refusing = dead.address
    await dead.close()
    const alive = await stage.raw((wire) => acceptUpgrade(wire))
    const { gateway, port } = await stage.gateway({ backends: [refusing, alive.address] })
    for (let index = 0; index < 4; index++) {
      const client = await stage.client(port)
      expect((await client.send(upgradeRequest()).message()).status).toBe(101)
    }
    expect(gateway.backends.map(({ connections }) => connections)).toEqual([0, 4])
    expect(gateway.backends[0]?.connectFailures).toBeGreaterThan(0)
  })

  test('all refusing is a 502', async () => {
    const dead = await stage.raw()
    const refusing = dead.address
    await dead.close()
    const { port } = await stage.gateway({ backends: [refusing] })
    const answer = await (await stage.client(port)).send(upgradeRequest()).message()
    expect([answer.status, answer.body.includes('BACKEND_REFUSED')]).toEqual([502, true])
  })
})

describe('a client that goes away', () => {
  test.each<[string, (client: Wire) => void]>([
    ['closes', (client) => client.close()],
    ['half-closes', (client) => client.end()],
    ['resets', (client) => client.reset()],
  ])('while the 101 is awaited and %s takes the backend connection with it', async (_name, leave) => {
    const { client, server, log, gateway } = await asked()
    leave(client)
    expect(await server.ending()).toBe('reset')
    expect(await log.line('request.completed')).toMatchObject({
      code: 'CLIENT_GONE',
      status: 0,
      path: '/chat',
    })
    expect(gateway.backends[0]?.connections).toBe(0)
  })

  test('is noticed also behind a pipelined request', async () => {
    const backend = await stage.raw()
    const { port, log } = await stage.gateway({ backends: [backend.address] })
    const client = await stage.client(port)
    const early = clientFrame(opcodes.text, 'early').toString('latin1')
    client.send(`GET /page HTTP/1.1\r\nHost: a.test\r\n\r\n${upgradeRequest()}${early}`)
    const page = await backend.connection(0)
    await page.message('request')
    page.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    const server = await backend.connection(1)
    await server.message('request')
    client.end()
    expect(await server.ending()).toBe('reset')
    expect(await log.line('request.completed', 1)).toMatchObject({ code: 'CLIENT_GONE', path: '/chat' })
  })

  test('in the moment the backend agrees opens no tunnel', async () => {
    const { client, server, log } = await asked()
    client.close()
    server.send(switching())
    expect(await server.ending()).toBe('reset')
    expect(await log.line('request.completed')).toMatchObject({ code: 'CLIENT_GONE' })
    expect(log.of('tunnel.opened')).toEqual([])
  })

  test('while dialling leaves nothing behind', async () => {
    const { port, log, gateway } = await stage.gateway({
      pools: { main: { backends: [await blackHole(stage)], retries: { total: '20s' } } },
      timeouts: { connect: '20s' },
    })
    const client = await stage.client(port)
    await client.flush(Buffer.from(upgradeRequest()))
    client.reset()
    expect(await log.line('request.completed')).toMatchObject({ path: '/chat', status: expect.any(Number) })
    await gateway.close()
  })
})
