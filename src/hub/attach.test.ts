import { EventEmitter, once } from 'node:events'
import { createServer, request, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { RawClient } from './contract/raw-client.ts'
import { createHub } from './create-hub.ts'
import type { Hub } from './hub.ts'

const onBun = 'Bun' in globalThis
/** Without `shouldUpgradeCallback`, which came with Node 24.9. */
const isOld = onBun || !('shouldUpgradeCallback' in createServer())
const servers: Server[] = []
const hubs: Hub[] = []

afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close()
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

async function startServer(options: ServerOptions = {}): Promise<{ server: Server; port: number }> {
  const server = createServer(options, (request, response) => response.end(`plain ${request.url}`))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

function makeHub(name: string): Hub {
  const hub = createHub({ node: name, closeTimeout: '200ms' })
  hubs.push(hub)
  hub.on('connection', (connection) => void connection.send(name))
  return hub
}

async function greeting(port: number, path: string): Promise<string> {
  const client = await RawClient.connect({ port, path })
  try {
    return client.status === 101 ? await client.nextText() : String(client.status)
  } finally {
    client.destroy()
  }
}

describe.skipIf(onBun)('a hub attached to a server of node:http', () => {
  test('shares it with other hubs, by path, and with plain requests', async () => {
    const { server, port } = await startServer()
    makeHub('a').attach(server, { path: '/a' })
    makeHub('b').attach(server, { path: '/b' })
    expect(await greeting(port, '/a?x=/b')).toBe('a')
    expect(await greeting(port, '/b')).toBe('b')
    expect(await greeting(port, '/c')).toBe('404')
    expect(await (await fetch(`http://127.0.0.1:${port}/a`)).text()).toBe('plain /a')
    expect(server.listenerCount('upgrade')).toBe(2)
  })

  test.skipIf(isOld)('leaves HTTP/2 on plain HTTP to a server that takes only WebSockets', async () => {
    const { server, port } = await startServer({
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    })
    makeHub('a').attach(server)
    const asked = request({ port, host: '127.0.0.1', headers: { Connection: 'Upgrade', Upgrade: 'h2c' } })
    const [response] = await once(asked.end(), 'response')
    response.resume()
    expect(response.statusCode).toBe(200)
    expect(await greeting(port, '/')).toBe('a')
  })

  test('leaves other paths to the server’s other listeners', async () => {
    const { server, port } = await startServer()
    makeHub('a').attach(server, { path: '/a' })
    server.on('upgrade', (request, socket) => {
      if (request.url === '/theirs') socket.end('HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n')
    })
    expect(await greeting(port, '/a')).toBe('a')
    expect(await greeting(port, '/theirs')).toBe('418')
  })

  test('shares it by path with one that takes every other path, whichever comes first', async () => {
    const { server, port } = await startServer()
    makeHub('rest').attach(server)
    const detach = makeHub('b').attach(server, { path: '/b' })
    expect(await greeting(port, '/b')).toBe('b')
    expect(await greeting(port, '/c')).toBe('rest')
    detach()
    expect(await greeting(port, '/b')).toBe('rest')
  })

  test('does not share a path', async () => {
    const { server } = await startServer()
    makeHub('a').attach(server, { path: '/a' })
    makeHub('rest').attach(server)
    const late = makeHub('late')
    expect(() => late.attach(server, { path: '/a' })).toThrow(
      'attach: another hub serves the path "/a" of this server',
    )
    expect(() => late.attach(server)).toThrow('attach: another hub serves every path of this server')
  })

  test.each([
    ['first', 'while it decides'],
    ['last', 'before it decides'],
  ])('%s keeps its places when somebody else answers %s', async (place) => {
    const { server, port } = await startServer()
    const lines: object[] = []
    const log = { info() {}, warn() {}, error: (fields: object) => void lines.push(fields) }
    const hub = createHub({
      log,
      maxConnections: 1,
      authenticate: async ({ url }) => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        return url === '/in' ? { user: 'ann' } : { status: 401, reason: 'never seen' }
      },
    })
    hubs.push(hub as Hub)
    if (place === 'first') hub.attach(server)
    const theirs = new WebSocketServer({ noServer: true })
    const takes: Parameters<typeof server.on>[1] = (request, socket, head) => {
      theirs.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('message', (data) => webSocket.send(`theirs ${data}`))
      })
    }
    server.on('upgrade', takes)
    if (place === 'last') hub.attach(server)
    for (const path of ['/in', '/out', '/in']) {
      const client = await RawClient.open({ port, path })
      await expect.poll(() => hub.stats().handshakes).toBe(0)
      client.text('hello')
      expect(await client.nextText()).toBe('theirs hello')
      client.destroy()
    }
    expect(lines).toMatchObject(new Array(3).fill({ event: 'handshake.failed' }))
    server.off('upgrade', takes)
    await (await RawClient.open({ port, path: '/in' })).destroy()
  })

  test('lets go of it, and keeps its connections', async () => {
    const { server, port } = await startServer()
    const hub = makeHub('a')
    const detach = hub.attach(server, { path: '/a' })
    const client = await RawClient.open({ port, path: '/a' })
    expect(await client.nextText()).toBe('a')
    detach()
    detach()
    expect(server.listenerCount('upgrade')).toBe(0)
    void hub.everybody.send('still here')
    expect(await client.nextText()).toBe('still here')
    await hub.close()
    expect((await client.nextClose()).code).toBe(1001)
    client.destroy()
  })

  test('is taken by paths only', async () => {
    const { server } = await startServer()
    expect(() => makeHub('a').attach(server, { path: 'ws' })).toThrow("expected a path that starts with '/'")
    expect(server.listenerCount('upgrade')).toBe(0)
  })

  test('is told apart from what is no server', async () => {
    const { server } = await startServer()
    const hub = makeHub('a')
    const attached = (value: unknown) => expect(() => hub.attach(value as Server))
    const expected = 'expected a server, as createServer(app) and app.listen(port) return'
    attached(undefined).toThrow(`attach: found undefined, ${expected}`)
    attached(3000).toThrow(`attach: found 3000, ${expected}`)
    // Express has an application that is called, Koa one that is an emitter, Fastify and Nest have one with a server.
    const express = Object.assign(() => {}, { on() {}, off() {}, listenerCount() {}, prependListener() {} })
    attached(express).toThrow(`attach: found a function (the application?), ${expected}`)
    attached(new EventEmitter()).toThrow('attach: found an object that is none (the application?)')
    attached({ server }).toThrow('attach: found an object with a server (give its `server`)')
    attached({ getHttpServer() {} }).toThrow('(give its `getHttpServer()`)')
  })

  test('is not taken by one that is closed', async () => {
    const { server } = await startServer()
    const hub = createHub()
    await hub.close()
    expect(() => hub.attach(server)).toThrow('attach: found a hub that is closed')
    expect(server.listenerCount('upgrade')).toBe(0)
  })

  test('leaves no listener at sockets that it refused', async () => {
    const { server, port } = await startServer()
    const hub = createHub({ authenticate: async () => ({ status: 401, reason: 'no' }) })
    hubs.push(hub)
    hub.attach(server)
    const sockets: import('node:net').Socket[] = []
    server.on('connection', (socket) => sockets.push(socket))
    for (let at = 0; at < 20; at++) expect(await greeting(port, '/')).toBe('401')
    const deadline = performance.now() + 5000
    while (sockets.some(({ destroyed }) => !destroyed) && performance.now() < deadline) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(sockets.filter(({ destroyed }) => !destroyed)).toEqual([])
  })
})

test.skipIf(!onBun)('on Bun, a hub is attached to Bun’s own server, and says so', async () => {
  const { server } = await startServer()
  expect(() => makeHub('a').attach(server)).toThrow('on Bun use Bun.serve')
})

test.skipIf(!onBun)('on Bun, `handles` tells whose request it is', () => {
  const hub = createHub({ path: '/ws' })
  const request = (url: string, upgrade?: string) =>
    new Request(`http://a.example${url}`, { headers: upgrade === undefined ? {} : { Upgrade: upgrade } })
  expect(hub.handles(request('/ws?x=1', 'WebSocket'))).toBe(true)
  expect(hub.handles(request('/other', 'websocket'))).toBe(false)
  expect(hub.handles(request('/ws'))).toBe(false)
})
