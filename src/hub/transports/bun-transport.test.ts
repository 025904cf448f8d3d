import { describe, test } from 'vitest'
import { topicsContract } from '../contract/topics-contract.ts'
import { transportContract } from '../contract/transport-contract.ts'
import { startBun } from '../contract/transport-rig.ts'

if ('Bun' in globalThis) {
  transportContract("Bun's server", startBun)
  topicsContract("Bun's server", startBun)
} else describe("the transport port over Bun's server", () => test.skip('runs on Bun only', () => {}))
