import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { batchOf, RecordingOwner } from '../contract/transport-rig.ts'
import { WsTransport } from './ws-transport.ts'

// A key that both know, so that no certificate is needed.
const psk = Buffer.alloc(16, 1)
const shared = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const

// Through TLS the kernel never takes a write at once, so that a pong is still behind the messages when they are gone.
test.skipIf('Bun' in globalThis)(
  'tells that a slow peer with compression has caught up though its pings are answered',
  async () => {
    const owner = new RecordingOwner()
    const admit = async () => ({ accept: true, protocol: null, owner }) as const
    const failed = () => {}
    const transport = new WsTransport({
      maxMessage: 1024,
      compression: true,
      closeTimeout: 1000,
      admit,
      failed,
    })
    const server = createServer({ ...shared, pskCallback: () => psk })
    transport.attach(server, null)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = new WebSocket(`wss://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      ...shared,
      perMessageDeflate: true,
      pskCallback: () => ({ psk, identity: 'client' }),
      checkServerIdentity: () => false,
    } as WebSocket.ClientOptions)
    try {
      await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject))
      await owner.untilTold('opened')
      expect(client.extensions).toContain('permessage-deflate')
      client.pause()
      // Too small to be compressed, so that all are written at once.
      const batch = batchOf(...new Array<string>(12_000).fill('x'.repeat(1000)))
      expect(owner.call((connection) => connection.send(batch))).toBe(false)
      for (let count = 0; count < 5; count++) {
        client.ping()
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect(owner.told).toEqual(['opened'])
      client.resume()
      await owner.until(() => owner.told.includes('drained'), 4000)
    } finally {
      client.terminate()
      server.close()
    }
  },
)
