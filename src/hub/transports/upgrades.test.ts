import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { RawClient } from '../contract/raw-client.ts'
import { onUpgrade } from './upgrades.ts'

const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

async function start(): Promise<{ server: Server; port: number }> {
  const server = createServer((_, response) => response.end('plain'))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

// Hubs are attached to servers of node:http on Node only.
describe.skipIf('Bun' in globalThis)('an upgrade that nobody takes', () => {
  test('is answered with 404 when the server’s other listeners had their time', async () => {
    const { server, port } = await start()
    const seen: string[] = []
    server.on('upgrade', ({ url }) => void seen.push(url ?? ''))
    onUpgrade(server, '/ours', () => {}, 50)
    const client = await RawClient.connect({ port, path: '/nobodys' })
    await client.until(() => client.closed || client.ended)
    expect([client.status, seen]).toEqual([404, ['/nobodys']])
    client.destroy()
  })

  test('is answered on a connection that was used before, too', async () => {
    const { server, port } = await start()
    server.on('upgrade', () => {})
    onUpgrade(server, '/ours', () => {}, 50)
    const socket = connect({ port, host: '127.0.0.1' })
    let answers = ''
    socket.setEncoding('utf8').on('data', (text) => {
      answers += text
      if (!answers.endsWith('plain')) return
      socket.write('GET /x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    })
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await new Promise((resolve) => socket.once('close', resolve))
    expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404'])
  })

  test('is left alone when another listener has answered it', async () => {
    const { server, port } = await start()
    server.on('upgrade', (_, socket) => {
      socket.write('HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n')
      setTimeout(() => socket.end('still theirs'), 200)
    })
    onUpgrade(server, '/ours', () => {}, 50)
    const client = await RawClient.connect({ port, path: '/theirs' })
    await client.until(() => client.closed || client.ended)
    expect([client.status, client.body]).toEqual([418, 'still theirs'])
    client.destroy()
  })

  test('does no harm when its client resets the connection', async () => {
    const { server, port } = await start()
    const upgraded = new Promise<Duplex>((resolve) => {
      server.on('upgrade', (_request, socket: Duplex) => resolve(socket))
    })
    onUpgrade(server, '/ours', () => {}, 10_000)
    const client = connect({ port, host: '127.0.0.1' })
    client.write('GET /x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    const socket = await upgraded
    const closed = new Promise((resolve) => socket.once('close', resolve))
    client.resetAndDestroy()
    // Without a listener its error would be nobody's, and end the process.
    expect(await closed).toBe(true)
  })
})
