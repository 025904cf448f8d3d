import { afterEach, describe, expect, test } from 'vitest'
import { eventually } from '../gateway/support/eventually.ts'
import { acceptUpgrade, joinTunnel, switching, upgradeRequest } from '../gateway/support/handshakes.ts'
import { watched } from '../gateway/support/health.ts'
import { Stage } from '../gateway/support/stage.ts'
import type { Wire } from '../gateway/support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

type Script = (wire: Wire, index: number) => unknown

const wrongKey = switching({ 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' })

/** The same moments in every run: on arrival, behind the request, within the answer. */
const resetsAtRandom: Script = async (wire, index) => {
  const moment = (index * 7 + 3) % 3
  if (moment > 0) await wire.message('request')
  if (moment > 1) await wire.flush(Buffer.from('HTTP/1.1 101 Swit'))
  wire.reset()
}

const byTheByte: Script = async (wire) => {
  await wire.message('request')
  for (const byte of switching()) {
    await wire.flush(Buffer.from(byte))
    await new Promise((resolve) => setTimeout(resolve, 20))
    if (wire.socket.destroyed) return
  }
}

async function status(port: number): Promise<number> {
  const client = await stage.client(port)
  const answer = await client.send(upgradeRequest()).message()
  client.close()
  return answer.status
}

describe('a bad backend leaves the pool as configured, and its clients get in all the same: one that', () => {
  test.each([
    ['accepts TCP but never answers', () => {}],
    [
      'answers 101 with a wrong accept key',
      (wire) => wire.message('request').then(() => wire.send(wrongKey)),
    ],
    ['answers slowly, by the byte', byTheByte],
    ['resets at random', resetsAtRandom],
    ['closes without a word', (wire) => wire.message('request').then(() => wire.end())],
  ] as [string, Script][])('%s', async (_, script) => {
    const [good, bad] = [await stage.raw((wire) => acceptUpgrade(wire)), await stage.raw(script)]
    const { gateway, port, log } = await watched(
      stage,
      [good, bad],
      { ejection: { failures: 3, time: '10m', maxTime: '10m' } },
      { timeouts: { upgrade: '150ms' } },
    )
    for (let i = 0; i < 12; i++) expect(await status(port)).toBe(101)
    expect(bad.connections).toHaveLength(3)
    expect(gateway.backends.map(({ ejectedUntil }) => ejectedUntil !== null)).toEqual([false, true])
    expect(log.of('backend.ejected')).toHaveLength(1)
    expect(gateway.pools).toMatchObject([{ retries: 3, retriesDenied: 0 }])
  })

  test('returns 200 to an upgrade: the answer is passed on and is no failure, since anybody can ask a page for one', async () => {
    const ok: Script = async (wire) => {
      await wire.message('request')
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage')
    }
    const backends = [await stage.raw(ok), await stage.raw(ok)]
    const { gateway, port } = await watched(stage, backends, { ejection: { failures: 3 } })
    for (let i = 0; i < 12; i++) expect(await status(port)).toBe(200)
    expect(gateway.backends.map(({ ejectedUntil }) => ejectedUntil)).toEqual([null, null])
    expect(gateway.pools).toMatchObject([{ retries: 0 }])
  })

  test('returns 200 to an upgrade: the WebSocket probe finds it', async () => {
    const plain = await stage.http((_request, response) => response.end('page'))
    const { log } = await watched(stage, [plain], {
      health: { websocket: {}, interval: '50ms', timeout: '1s', fall: 2 },
    })
    expect(await log.line('backend.unhealthy')).toMatchObject({ backend: plain.address })
  })
})

describe('outlier detection ejects healthy hosts', () => {
  test('a backend whose tunnels all break after they have lived is not ejected (ansible/jewel#114)', async () => {
    const backend = await stage.raw()
    const { gateway, port, log } = await watched(stage, [backend], {
      ejection: { failures: 3, earlyClose: '50ms' },
    })
    const tunnels = []
    for (let i = 0; i < 8; i++) tunnels.push(await joinTunnel(stage, port, backend))
    await new Promise((resolve) => setTimeout(resolve, 60))
    for (const { client, server } of tunnels) {
      server.reset()
      client.end()
    }
    expect(await eventually(() => log.of('tunnel.closed').length === 8)).toBe(true)
    expect(gateway.backends[0]?.ejectedUntil).toBeNull()
    expect(log.of('backend.ejected')).toEqual([])
  })
})
