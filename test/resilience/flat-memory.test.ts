import { afterEach, describe, expect, test } from 'vitest'
import { atRest } from '../gateway/support/at-rest.ts'
import { eventually } from '../gateway/support/eventually.ts'
import type { MemoryReport } from './support/gateway-main.ts'
import { type Growth, growthOf } from './support/growth.ts'
import { type GatewayProcess, Site } from './support/site.ts'

// 50,000 tunnels come and go through a gateway in a process of its own, a hundred at a time, and end in every way: by a
// Close, by a FIN, by a reset. What it holds afterwards must not depend on how many there were.

/** Tunnels that are open while memory is measured. */
const standing = 100

/** Bytes for each connection. The smallest object that could be forgotten takes more than the first of them. */
const bound = { heap: 16, resident: 256 }

const site = new Site()
afterEach(() => site.close())

interface Watch {
  readonly gateway: GatewayProcess
  readonly growth: Growth
  /** Descriptors beyond those of a gateway that has warmed up and has no tunnels. */
  readonly descriptors: number
}

/** Lets so many connections come and go, round by round, after `warmUp` rounds that do not count. */
async function watch(rounds: number, each: number, warmUp: number, leak = 0): Promise<Watch> {
  const [backend] = await site.backends('a')
  const gateway = await site.gateway(
    {
      listen: [{ port: 0, host: '127.0.0.1' }],
      pools: { main: { backends: [backend!.address] } },
      routes: [{ pool: 'main' }],
    },
    leak,
  )
  const fleet = site.fleet(gateway.port)
  await fleet.tell({ do: 'fill', count: standing })
  const samples: MemoryReport[] = []
  let base = 0
  for (let round = 1; round <= rounds; round++) {
    await fleet.tell({ do: 'renew', count: each })
    const { admission } = await gateway.statusWith(standing)
    expect(admission.seats).toBe(standing)
    const memory = await gateway.memory()
    if (round === warmUp) base = (await atRest(() => gateway.descriptors)) - 2 * standing
    if (round >= warmUp) samples.push(memory)
  }
  const { opened, losses, refusals } = await fleet.report()
  expect({ opened, losses, refusals }).toEqual({ opened: standing + rounds * each, losses: {}, refusals: {} })
  await fleet.tell({ do: 'disband' })
  await eventually(() => gateway.descriptors <= base)
  return { gateway, growth: growthOf(samples, each), descriptors: gateway.descriptors - base }
}

describe('a gateway through which 50,000 connections came and went', () => {
  test('holds no more memory, descriptors or seats than after 10,000', async () => {
    const { gateway, growth, descriptors } = await watch(10, 5000, 2)
    expect(growth.heap).toBeLessThan(bound.heap)
    expect(growth.resident).toBeLessThan(bound.resident)
    expect(descriptors).toBeLessThanOrEqual(0)
    const { admission, errors } = await gateway.statusWith(0)
    expect(admission).toMatchObject({ seats: 0, clientConnections: 0, knownClients: 0 })
    expect(errors).toEqual([])
  }, 120_000)
})

describe('the bounds of this test', () => {
  test('are too low for a gateway that forgets a small object for each connection', async () => {
    const { growth } = await watch(4, 1000, 1, 16)
    expect(growth.heap).toBeGreaterThan(bound.heap)
  }, 60_000)

  test('are too low for one that forgets memory beside its heap', async () => {
    const { growth } = await watch(4, 1000, 1, 16_384)
    expect(growth.resident).toBeGreaterThan(bound.resident)
  }, 60_000)
})
