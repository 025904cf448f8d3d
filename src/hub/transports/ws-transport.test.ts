import { describe, test } from 'vitest'
import { transportContract } from '../contract/transport-contract.ts'
import { startDocumentedWs, startWs } from '../contract/transport-rig.ts'

if ('Bun' in globalThis) {
  // Bun's node:http loses what is written to an upgraded socket beyond what the kernel takes (1.4.5), and has no
  // queue length: four sentences of the contract do not hold there, so the hub refuses it.
  describe('the transport port over the ws package', () => test.skip('runs on Node only', () => {}))
} else {
  transportContract('the ws package and node:http', startWs)
  transportContract('the ws package and node:http, as documented', startDocumentedWs)
}
