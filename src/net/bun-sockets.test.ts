import { describe, test } from 'vitest'
import { socketContract } from './socket-contract.ts'

if (process.versions.bun === undefined) {
  describe.skip('socket port on Bun', () => {
    test('needs Bun', () => {})
  })
} else socketContract('Bun', async () => (await import('./bun-sockets.ts')).bunSockets)
