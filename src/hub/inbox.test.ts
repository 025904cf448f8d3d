import { constants, deflateRawSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { eventually } from './contract/cluster-rig.ts'
import { HubRig } from './contract/hub-rig.ts'
import { clientFrame } from './contract/raw-client.ts'
import type { HubOptions } from './options.ts'

const rigs: HubRig[] = []

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.close()
})

async function start(options: HubOptions) {
  const rig = await HubRig.start(options)
  rigs.push(rig)
  return rig
}

/** A message as a client with permessage-deflate sends it. */
function deflated(text: string): Buffer {
  const flushed = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH })
  return clientFrame(1, flushed.subarray(0, -4), 0xc0)
}

test('a few compressed bytes do not become much that waits', async () => {
  const { hub, open } = await start({ compression: true }).then((rig) => ({
    hub: rig.hub,
    open: () => rig.open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } }),
  }))
  hub.on('message', () => new Promise(() => {}))
  const client = await open()
  const message = deflated('x'.repeat(1024 * 1024))
  const flood = Buffer.concat(Array.from({ length: 60 }, () => message))
  // Less than one read of a runtime.
  expect(flood.length).toBeLessThan(128 * 1024)
  client.socket.write(flood)
  expect(await client.nextClose()).toEqual({ code: 1008, reason: 'too many messages' })
  expect(hub.stats().bytesIn).toBeLessThanOrEqual(5 * 1024 * 1024)
})

test('what is not compressed is never too much, only slow', async () => {
  const rig = await start({ compression: true, receiveQueue: { messages: 1, bytes: '1KiB' } })
  let length = 0
  rig.hub.on('message', async ({ data }) => {
    await new Promise((resolve) => setImmediate(resolve))
    length += data.length
  })
  const client = await rig.open()
  for (let at = 0; at < 40; at++) client.binary(Buffer.alloc(1024 * 1024 - 3))
  for (let at = 0; at < 400; at++) client.binary(Buffer.alloc(10_000))
  await eventually(() => length === 40 * (1024 * 1024 - 3) + 4_000_000, 'all is handled', 15_000)
  expect(rig.hub.stats().connections).toBe(1)
})
