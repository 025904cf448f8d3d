import { describe, expect, test } from 'vitest'
import { simulate } from './support/simulation.ts'

// The whole gateway on a simulated network, in virtual time (support/simulation.ts). A seed that fails here or in
// `node test/simulation/soak-main.ts --seconds 600` is repeated by FAIRLEAD_SEED=<seed>, and with FAIRLEAD_TRACE=1
// tells every event.

const only = process.env.FAIRLEAD_SEED
const seeds = only === undefined ? Array.from({ length: 150 }, (_, index) => index + 1) : [Number(only)]

/** Tunnels that have to end, however they do. */
const endings = Number(process.env.FAIRLEAD_ENDINGS ?? 2000)

/** What the seeds have to bring about, or they would prove little. */
const expected = [
  'answer 200',
  'a request was repeated',
  'an upgrade was declined',
  'close of the gateway 1001 gateway stopping',
  'close of the gateway 1012 backend draining',
  'ending close',
  'ending fin',
  'ending reset',
  'ending vanish',
  'gateway 429 CLIENT_LIMIT',
  'gateway 502 BACKEND_CLOSED',
  'gateway 502 BACKEND_REFUSED',
  'gateway 502 BACKEND_UPGRADE_INVALID',
  'gateway 503 NO_BACKEND',
  'gateway 503 GATEWAY_STOPPING',
  'gateway 504 BACKEND_RESPONSE_TIMEOUT',
  'gateway drain',
  'operator drain',
  'operator reload',
  'pong to the gateway',
  'tunnel ended by the backend',
  'tunnel ended by the client',
  'tunnel ended by the gateway',
  'tunnel whole',
]

describe('the gateway on a simulated network', () => {
  test('keeps its promises in every order of events', { timeout: 120_000 }, async () => {
    const counts = new Set<string>()
    for (const seed of seeds) {
      const outcome = await simulate(seed)
      expect(outcome.violations, `FAIRLEAD_SEED=${seed}`).toEqual([])
      for (const what of outcome.counts.keys()) counts.add(what)
    }
    if (only === undefined) expect(expected.filter((what) => !counts.has(what))).toEqual([])
  })

  test('does the same again with the same seed', async () => {
    const [first, second] = [await simulate(8), await simulate(8)]
    expect(second).toEqual(first)
  })

  test('frees every seat, however tunnels end', { timeout: 300_000 }, async () => {
    const { violations, counts } = await simulate(Number(only ?? 1), endings)
    expect(violations, `FAIRLEAD_SEED=${only ?? 1}`).toEqual([])
    for (const by of ['client', 'backend', 'gateway'])
      expect(counts.get(`tunnel ended by the ${by}`)).toBeGreaterThan(0)
  })
})
