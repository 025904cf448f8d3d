import { describe, test } from 'vitest'
import { abortContract, endContract } from './contract/closing-contract.ts'
import { dataContract, pauseContract } from './contract/data-contract.ts'
import { socketContract } from './socket-contract.ts'

// Bun's `node:net` ignores the backlog and calls a lack of descriptors a refusal, so it does not pass.
if (process.versions.bun !== undefined) {
  describe.skip('socket port on Node', () => {
    test('needs Node', () => {})
  })
} else {
  socketContract('Node', async () => (await import('./node-sockets.ts')).nodeSockets)
  const documented = async () => (await import('./node-sockets.ts')).documentedNodeSockets
  describe('socket port on Node, by documented means only', () => {
    dataContract(documented)
    pauseContract(documented)
    endContract(documented)
    abortContract(documented)
  })
}
