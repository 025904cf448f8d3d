import { afterEach, describe, expect, test } from 'vitest'
import { EchoServer } from '../gateway/support/echo-server.ts'
import { upgradeRequest } from '../gateway/support/handshakes.ts'
import { Stage } from '../gateway/support/stage.ts'
import { Talker } from '../gateway/support/talker.ts'

const stage = new Stage()
afterEach(() => stage.close())

test('the very first thing that a gateway gets may be a WebSocket: no request has to come before (http-proxy-middleware#207)', async () => {
  const echo = await new EchoServer().listen()
  stage.add(() => echo.close())
  const { gateway, port } = await stage.gateway({ backends: [echo.address] })
  const talker = await new Talker(port).opened
  expect((await talker.ask('first')).data.toString()).toBe('first')
  expect(gateway.backends).toMatchObject([{ requests: 1, connections: 1 }])
})

describe('without a backend, an upgrade and a request get the same 503 with Retry-After, never a 403 (gateway#9452)', () => {
  const dead = '127.0.0.1:1'
  test.each([
    ['all are disabled', { backends: [{ address: dead, state: 'disabled' }] }],
    ['none has a weight', { backends: [{ address: dead, weight: 0 }] }],
    [
      'none is well and panic is off',
      { backends: [dead], panic: 0, health: { tcp: true, interval: '50ms', fall: 1 } },
    ],
  ] as const)('because %s', async (_, pool) => {
    const { port, log } = await stage.gateway({ pools: { main: pool as never } })
    if ('health' in pool) await log.line('backend.unhealthy')
    for (const request of [upgradeRequest(), 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n']) {
      const client = await stage.client(port)
      const answer = await client.send(request).message()
      expect([answer.status, answer.fields.has('retry-after')]).toEqual([503, true])
      expect(answer.body).toContain('NO_BACKEND')
    }
  })
})
