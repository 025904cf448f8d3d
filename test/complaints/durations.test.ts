import { afterEach, expect, test } from 'vitest'
import type { TunnelEnd, TunnelStart } from '../../src/gateway/events.ts'
import { eventually } from '../gateway/support/eventually.ts'
import { joinTunnel } from '../gateway/support/handshakes.ts'
import { Stage } from '../gateway/support/stage.ts'

const stage = new Stage()
afterEach(() => stage.close())

test('how long a session lasts is no latency: the handshake has a figure of its own (traefik#3620, temps#514)', async () => {
  const backend = await stage.raw()
  const { gateway, port, log } = await stage.gateway({ backends: [backend.address] })
  const started: TunnelStart[] = []
  const ended: TunnelEnd[] = []
  gateway.on('tunnel.opened', (start) => started.push(start))
  gateway.on('tunnel.closed', (end) => ended.push(end))
  const { client } = await joinTunnel(stage, port, backend)
  const openFor = 300
  await new Promise((resolve) => setTimeout(resolve, openFor))
  client.reset()
  expect(await eventually(() => ended.length === 1)).toBe(true)
  expect(started[0]?.handshakeMs).toBeGreaterThan(0)
  expect(ended[0]?.durationMs).toBeGreaterThanOrEqual(openFor - 5)
  expect(ended[0]).not.toHaveProperty('handshakeMs')
  // A tunnel has no line among the requests, where its hours would ruin every average.
  expect(log.of('request.completed')).toEqual([])
})
