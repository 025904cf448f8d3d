import { afterEach, expect, test } from 'vitest'
import { clientFrame, closeFrame, frame, opcodes, readFrame } from './support/frames.ts'
import { joinTunnel, rawTunnel } from './support/handshakes.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

test('messages and bytes of live tunnels and of ended ones are counted together', async () => {
  const { client, server, gateway, port, backend, log } = await rawTunnel(stage)
  const up = Buffer.concat([
    clientFrame(opcodes.text, 'one'),
    clientFrame(opcodes.ping, ''),
    clientFrame(opcodes.text, 'two'),
  ])
  const down = Buffer.concat([frame(opcodes.text, 'he', { fin: false }), frame(opcodes.continuation, 'llo')])
  client.send(up)
  await server.bytes(up.length)
  server.send(down)
  await client.bytes(down.length)
  const once = {
    messagesFromClients: 2,
    messagesFromBackends: 1,
    bytesFromClients: up.length,
    bytesFromBackends: down.length,
  }
  expect(gateway.backends[0]).toMatchObject({ connections: 1, requests: 1, connectFailures: 0, ...once })

  const second = await joinTunnel(stage, port, backend)
  second.client.send(up)
  await second.server.bytes(up.length)
  const both = { ...once, messagesFromClients: 4, bytesFromClients: 2 * up.length }
  expect(gateway.backends[0]).toMatchObject({ connections: 2, requests: 2, ...both })

  client.reset()
  await log.line('tunnel.closed')
  expect(gateway.backends[0]).toMatchObject({ connections: 1, ...both })
  second.client.reset()
  await log.line('tunnel.closed', 1)
  expect(gateway.backends[0]).toMatchObject({ connections: 0, requests: 2, ...both })
})

test('a tunnel has a line when it opens and one when it ends, with the same id', async () => {
  const { client, server, log, backend } = await rawTunnel(stage)
  expect(await log.line('tunnel.opened')).toMatchObject({
    level: 'info',
    client: '127.0.0.1',
    host: 'a.test',
    path: '/chat',
    backend: backend.address,
    handshakeMs: expect.any(Number),
  })
  const words = [clientFrame(opcodes.text, 'hi'), closeFrame(4321, 'bye', true)]
  client.send(Buffer.concat(words))
  await readFrame(server)
  await readFrame(server)
  const answer = closeFrame(4321, '', false)
  server.send(answer).end()
  await client.ending()
  client.end()
  const line = await log.line('tunnel.closed')
  expect(line).toMatchObject({
    level: 'info',
    requestId: log.of('tunnel.opened')[0]?.requestId,
    backend: backend.address,
    endedBy: 'client',
    closeCode: 4321,
    messagesFromClient: 1,
    messagesFromBackend: 0,
    bytesFromClient: Buffer.concat(words).length,
    bytesFromBackend: answer.length,
  })
  expect(line).not.toHaveProperty('error')
  expect(line.durationMs).toBeGreaterThanOrEqual(0)
  expect(line.durationMs).toBeLessThan(20_000)
  expect(log.of('request.completed')).toEqual([])
})

test('a Close without a code is 1005, and none at all 1006', async () => {
  const { client, server, log, port, backend } = await rawTunnel(stage)
  client.send(clientFrame(opcodes.close, ''))
  await readFrame(server)
  server.send(frame(opcodes.close, '')).end()
  await client.ending()
  client.end()
  expect(await log.line('tunnel.closed')).toMatchObject({ closeCode: 1005, endedBy: 'client' })

  const second = await joinTunnel(stage, port, backend)
  second.server.reset()
  await second.client.ending()
  second.client.end()
  expect(await log.line('tunnel.closed', 1)).toMatchObject({
    closeCode: 1006,
    endedBy: 'backend',
    error: 'reset',
  })
})

test('nothing is written when access lines are off', async () => {
  const { client, log, gateway } = await rawTunnel(stage, { log: { access: false } })
  client.reset()
  await gateway.close()
  expect(log.lines).toEqual([])
})

test('closing the gateway cuts every tunnel', async () => {
  const { client, server, log, gateway } = await rawTunnel(stage)
  await gateway.close()
  expect([await client.ending(), await server.ending()]).toEqual(['reset', 'reset'])
  expect(await log.line('tunnel.closed')).toMatchObject({ endedBy: 'gateway', closeCode: 1006 })
  expect(gateway.backends[0]?.connections).toBe(0)
})
