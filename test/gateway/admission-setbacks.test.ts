import { afterEach, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { ask, open, seatsAreTunnels, serve } from './support/seats.ts'
import { Stage } from './support/stage.ts'
import type { Wire } from './support/wire.ts'

const stage = new Stage()
afterEach(() => stage.close())

/**
 * Two backends with one seat each. The first that is asked has a tunnel; the other one fails the upgrade after it, so
 * that this one waits for the first, and serves from then on.
 */
async function setBack(count: number) {
  let asked = 0
  const part = async (wire: Wire) => {
    const turn = asked++
    if (turn === 0 || turn > count) return serve(wire)
    await wire.message('request')
    wire.end()
  }
  const backends = await Promise.all([stage.raw(part), stage.raw(part)])
  const running = await stage.gateway({
    pools: {
      main: {
        backends: backends.map(({ address }) => address),
        maxConnectionsPerBackend: 1,
        ejection: { failures: 0 },
        waitingRoom: { timeout: '30s' },
      },
    },
  })
  const first = await open(stage, running)
  const waiting = []
  for (let i = 0; i < count; i++) {
    waiting.push(await ask(stage, running))
    const all = () => asked === i + 2 && running.gateway.admission.waiting === i + 1
    expect(await eventually(all)).toBe(true)
  }
  return { running, first, waiting }
}

test.each([1, 12, 100])(
  'whoever waits only for backends that did not fail it holds up nobody (%i of one client)',
  async (count) => {
    const { running, first, waiting } = await setBack(count)
    const next = await ask(stage, running)
    expect(await eventually(() => next.status === 101, 3000)).toBe(true)
    expect(running.gateway.admission.waiting).toBe(count)
    first.close()
    expect(await eventually(() => waiting.some(({ status }) => status === 101))).toBe(true)
    for (const { wire } of waiting) wire.close()
    expect(await eventually(() => seatsAreTunnels(running))).toBe(true)
  },
)
