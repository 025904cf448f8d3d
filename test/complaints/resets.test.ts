import { afterEach, describe, expect, test } from 'vitest'
import { blackHole } from '../gateway/support/black-hole.ts'
import { eventually } from '../gateway/support/eventually.ts'
import { clientFrame, frame, opcodes } from '../gateway/support/frames.ts'
import { acceptUpgrade, joinTunnel, upgradeRequest } from '../gateway/support/handshakes.ts'
import { answering } from '../gateway/support/raw-backend.ts'
import { Stage } from '../gateway/support/stage.ts'
import type { Wire } from '../gateway/support/wire.ts'

const stage = new Stage()
const uncaught: unknown[] = []
const note = (error: unknown) => void uncaught.push(error)
afterEach(async () => {
  process.off('uncaughtException', note)
  await stage.close()
})

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'
const post = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhalf'

/** A gateway that is told of nothing, and what shows that it still serves. */
async function survivor(backends: readonly string[]) {
  uncaught.length = 0
  process.on('uncaughtException', note)
  const well = await stage.raw(answering('well'))
  const { gateway, port } = await stage.gateway({
    pools: {
      main: { backends: [...backends], ejection: { failures: 0 } },
      well: { backends: [well.address] },
    },
    routes: [{ match: { path: '/well' }, pool: 'well' }, { pool: 'main' }],
  })
  const serves = async () => {
    expect(await eventually(() => gateway.backends.every(({ active }) => active === 0))).toBe(true)
    const client = await stage.client(port)
    expect((await client.send(get.replace('/', '/well')).message()).body).toBe('well')
    expect(uncaught).toEqual([])
  }
  return { port, serves }
}

describe('ECONNRESET does not kill the process (node-http-proxy#1468, taskcluster#8261)', () => {
  test.each([
    ['before its request', ''],
    ['within the head', 'GET / HT'],
    ['behind a request', get],
    ['within a body', post],
    ['behind an upgrade request', upgradeRequest()],
  ])('when a client resets %s', async (_, said) => {
    const backend = await stage.raw()
    const { port, serves } = await survivor([backend.address])
    for (let i = 0; i < 5; i++) {
      const client = await stage.client(port)
      if (said !== '') await client.flush(Buffer.from(said))
      client.reset()
    }
    await serves()
  })

  test('when a client resets while its backend is dialled', async () => {
    const { port, serves } = await survivor([await blackHole(stage)])
    const client = await stage.client(port)
    await client.flush(Buffer.from(upgradeRequest()))
    client.reset()
    await serves()
  })

  test.each<[string, (wire: Wire) => unknown]>([
    ['on arrival', (wire) => wire.reset()],
    ['behind the request', (wire) => wire.message('request').then(() => wire.reset())],
    [
      'within its answer',
      (wire) =>
        wire
          .message('request')
          .then(() => wire.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nh').reset()),
    ],
    ['right behind its 101', (wire) => acceptUpgrade(wire).then(() => wire.reset())],
  ])('when a backend resets %s', async (_, script) => {
    const backend = await stage.raw(script)
    const { port, serves } = await survivor([backend.address])
    for (const request of [get, post, upgradeRequest()]) {
      const client = await stage.client(port)
      client.send(request)
      if (request === post) client.send('whole')
      // An answer, or a cut within it.
      await client.message().catch(() => {})
      client.close()
    }
    await serves()
  })

  test('when both ends of a tunnel reset within a frame', async () => {
    const backend = await stage.raw()
    const { port, serves } = await survivor([backend.address])
    const { client, server } = await joinTunnel(stage, port, backend)
    await client.flush(clientFrame(opcodes.text, 'a long word').subarray(0, 8))
    await server.flush(frame(opcodes.text, 'a long word').subarray(0, 8))
    client.reset()
    server.reset()
    await serves()
  })
})
