import { afterEach, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { upgradeRequest } from './support/handshakes.ts'
import { answering } from './support/raw-backend.ts'
import { serve } from './support/seats.ts'
import { Stage } from './support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

const request = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'

async function narrow(clientConnections: number) {
  const backend = await stage.raw(answering('hello'))
  return stage.gateway({ backends: [backend.address], limits: { clientConnections } })
}

test('who comes when there are enough is told so before it says anything, and the connection ends in order', async () => {
  const { gateway, port, log } = await narrow(3)
  const levels: unknown[] = []
  gateway.on('descriptors.level', (change) => levels.push(change))
  const inside = [await stage.client(port), await stage.client(port), await stage.client(port)]
  expect(await eventually(() => gateway.admission.clientConnections === 3)).toBe(true)
  for (let index = 0; index < 5; index++) {
    const late = await stage.client(port)
    if (index > 2) late.send(request)
    const { status, fields, body } = await late.message()
    expect([status, body.includes('GATEWAY_FULL')]).toEqual([503, true])
    expect(fields.get('connection')).toEqual(['close'])
    expect(Number(fields.get('retry-after')?.[0])).toBeGreaterThan(0)
    expect(await late.ending()).toBe('fin')
  }
  // Those who are in are served.
  for (const wire of inside) expect((await wire.send(request).message()).status).toBe(200)
  const told = { clients: 3, limit: 3 }
  expect(levels).toEqual([
    { ...told, level: 'low' },
    { ...told, level: 'exhausted' },
  ])
  expect(log.of('clients.refused').length).toBe(1)
  expect(await log.line('clients.refused')).toMatchObject({ level: 'error', code: 'GATEWAY_FULL', ...told })
  for (const wire of inside) wire.close()
  expect(await eventually(() => levels.length === 3)).toBe(true)
  expect(levels[2]).toEqual({ clients: 0, limit: 3, level: 'ok' })
  expect((await (await stage.client(port)).send(request).message()).status).toBe(200)
})

test('a connection that waits for its next request makes room; those with one under way do not', async () => {
  const backend = await stage.raw((wire, index) => (index === 0 ? answering('hello')(wire) : undefined))
  const { gateway, port } = await stage.gateway({
    backends: [backend.address],
    limits: { clientConnections: 2 },
  })
  const idle = await stage.client(port)
  expect((await idle.send(request).message()).status).toBe(200)
  const first = await backend.connection(0)
  first.close()
  const busy = await stage.client(port)
  busy.send(request)
  const pending = await backend.connection(1)
  const third = await stage.client(port)
  expect(await idle.ending()).toBe('fin')
  third.send(request)
  const other = await backend.connection(2)
  expect((await (await stage.client(port)).message()).status).toBe(503)
  for (const wire of [pending, other]) wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  expect([(await busy.message()).body, (await third.message()).body]).toEqual(['ok', 'ok'])
  expect(gateway.admission).toMatchObject({ clientConnections: 2, maxClientConnections: 2 })
})

test('tunnels count', async () => {
  const backend = await stage.raw(serve)
  const { gateway, port } = await stage.gateway({
    backends: [backend.address],
    limits: { clientConnections: 2 },
  })
  const clients = [await stage.client(port), await stage.client(port)]
  for (const wire of clients) expect((await wire.send(upgradeRequest()).message()).status).toBe(101)
  expect((await (await stage.client(port)).message()).status).toBe(503)
  clients[0]?.close()
  expect(await eventually(() => gateway.admission.clientConnections === 1)).toBe(true)
  const next = await stage.client(port)
  expect((await next.send(upgradeRequest()).message()).status).toBe(101)
})

test('refused clients that stay leave nothing behind when the gateway closes', async () => {
  const { gateway, port, log } = await narrow(1)
  await stage.client(port)
  expect(await eventually(() => gateway.admission.clientConnections === 1)).toBe(true)
  const late = await stage.client(port)
  late.socket.pause()
  await log.line('clients.refused')
  await gateway.close()
  expect(gateway.admission.clientConnections).toBe(0)
})
