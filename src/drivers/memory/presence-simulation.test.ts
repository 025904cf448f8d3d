import { expect, test } from 'vitest'
import { PresenceSimulation } from './contract/simulate-presence.ts'

test.each(Array.from({ length: 16 }, (_, index) => index + 1))(
  'presence is right soon after whatever has happened, and says what it lacks (seed %i)',
  async (seed) => {
    expect(await new PresenceSimulation(seed).run()).toEqual([])
  },
  60_000,
)
