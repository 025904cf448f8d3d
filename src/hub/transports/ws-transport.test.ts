import { describe, expect, test } from 'vitest'
import { RawClient } from '../contract/raw-client.ts'
import { transportContract } from '../contract/transport-contract.ts'
import { batchOf, startDocumentedWs, startWs, TransportRig } from '../contract/transport-rig.ts'

if ('Bun' in globalThis) {
  // Bun's node:http loses what is written to an upgraded socket beyond what the kernel takes (1.4.5), and has no
  // queue length: four sentences of the contract do not hold there, so the hub refuses it.
  describe('the transport port over the ws package', () => test.skip('runs on Node only', () => {}))
} else {
  transportContract('the ws package and node:http', startWs)
  transportContract('the ws package and node:http, as documented', startDocumentedWs)

  // Bun gives a socket up at the peer's FIN.
  test.each([
    ['past the stream', startWs],
    ['through it', startDocumentedWs],
  ])('a message to a peer that sends no more does not cut what waits: %s', async (_, start) => {
    const rig = await TransportRig.start(start)
    const client = await RawClient.open({ port: rig.port, allowHalfOpen: true })
    try {
      await rig.last.untilTold('opened')
      client.socket.pause()
      let sent = 1
      while (rig.last.call((c) => c.send(batchOf(Buffer.alloc(256 * 1024))))) sent++
      client.socket.end()
      await new Promise((resolve) => setTimeout(resolve, 50))
      rig.last.call((c) => c.send(batchOf('late')))
      client.socket.resume()
      await client.until(() => client.frames.length >= sent || client.closed)
      expect(client.frames.length).toBeGreaterThanOrEqual(sent)
    } finally {
      client.destroy()
      await rig.close()
    }
  })
}
