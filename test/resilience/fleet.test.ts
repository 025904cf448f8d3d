import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayOptions } from '../../src/index.ts'
import { atRest } from '../gateway/support/at-rest.ts'
import { eventually } from '../gateway/support/eventually.ts'
import type { FleetReport } from './support/fleet.ts'
import type { GatewayReport } from './support/gateway-main.ts'
import {
  type BackendProcess,
  descriptorLimit,
  type FleetProcess,
  type GatewayProcess,
  Site,
} from './support/site.ts'

/**
 * Five servers and 5,000 clients in processes of their own. While clients come and go without a pause, a server is
 * killed, another joins, a third one is drained, and the gateway gets ten new configurations and one that is wrong.
 *
 * What takes a minute in life is made short here. "A minute later" is 3,000 connections later, as fifty a second make
 * them: what a policy does next depends on connections alone, once nothing depends on the clock. So slow start is off,
 * and an ejection takes half a second.
 */

/** A tunnel takes two descriptors of the gateway. FLEET_TUNNELS says how many there shall be, for smaller machines. */
const tunnels = Number(process.env.FLEET_TUNNELS ?? Math.min(5000, Math.floor(descriptorLimit() / 4)))

/** Clients that leave, and others that come, in each second: 50 of 5,000. */
const churn = Math.ceil(tunnels / 100)
const minute = 60 * churn
const drainOver = 4000
const pause = 250

const site = new Site()
let servers: Record<string, BackendProcess> = {}
let gateway: GatewayProcess
let fleet: FleetProcess
/** Descriptors of the gateway without a tunnel, after it had some. */
let descriptors = 0

/** What one of the ten edits changes. */
interface Edit {
  /** Servers, and their weights. @default 1 each */
  readonly servers: Readonly<Record<string, number>>
  readonly pool?: object
  readonly route?: object
  readonly more?: Partial<GatewayOptions>
}

function options({ servers: weights, pool = {}, route = {}, more = {} }: Edit): GatewayOptions {
  const backends = Object.entries(weights).map(([name, weight]) => {
    return { address: (servers[name] as BackendProcess).address, weight }
  })
  return {
    listen: [{ port: 0, host: '127.0.0.1' }, ...(more.listen ?? [])],
    pools: {
      main: { backends, ejection: { time: '500ms' }, slowStart: { from: 100 }, ...pool },
      ...more.pools,
    },
    routes: [...(more.routes ?? []), { pool: 'main', ...route }],
    admission: { maxConnections: 2 * tunnels },
    ...(more.timeouts && { timeouts: more.timeouts }),
  }
}

const five = { a: 1, b: 1, c: 1, d: 1, e: 1 }
const six = { ...five, f: 1 }
/** The server that was killed is not there any more, and the new one is twice as large. */
const last = { b: 1, c: 1, d: 1, e: 1, f: 2 }

/** Ten configurations after the first; `f` joins with the first of them. */
function edits(): Edit[] {
  const other = { other: { backends: [(servers.c as BackendProcess).address], slowStart: { from: 100 } } }
  const ejection = { ejection: { time: '500ms' } }
  const otherPool = { pools: { other: { ...other.other, ...ejection } } } as Partial<GatewayOptions>
  const otherRoute = { ...otherPool, routes: [{ match: { path: '/other' }, pool: 'other' }] }
  const listener = { listen: [{ port: 0, host: '127.0.0.2' }] }
  return [
    { servers: six },
    { servers: { ...six, f: 2 } },
    { servers: { ...six, f: 2 }, pool: { policy: 'least-connections' } },
    { servers: { ...six, f: 2 }, more: { timeouts: { upgrade: '8s', connect: '2s' } } },
    { servers: { ...six, f: 2 }, more: otherPool },
    { servers: { ...six, f: 2 }, more: otherRoute },
    { servers: last, more: { ...otherRoute, ...listener } },
    { servers: last, route: { idle: '1h', maxAge: '12h' } },
    { servers: last, route: { policy: 'random' } },
    { servers: last },
  ]
}

beforeAll(async () => {
  const started = await site.backends('a', 'b', 'c', 'd', 'e', 'f')
  servers = Object.fromEntries(started.map((server) => [server.name, server]))
  gateway = await site.gateway(options({ servers: five }))
  fleet = site.fleet(gateway.port)
  await fleet.tell({ do: 'fill', count: 100 })
  await fleet.tell({ do: 'disband' })
  descriptors = await atRest(() => gateway.descriptors)
}, 60_000)
afterAll(() => site.close())

/** Seats of each server, by its name, as the gateway has them. */
function seats({ backends }: GatewayReport): Record<string, number> {
  const names = new Map(Object.values(servers).map(({ name, address }) => [address, name]))
  return Object.fromEntries(
    backends
      .filter(({ pool, seats }) => pool === 'main' && seats > 0)
      .map(({ address, seats }) => [names.get(address) as string, seats]),
  )
}

/** The same as the servers themselves count them. */
async function counted(wanted: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const counts = await Promise.all(
    Object.entries(wanted).map(async ([name, count]) => [name, await servers[name]?.live(count)] as const),
  )
  return Object.fromEntries(counts) as Record<string, number>
}

function sum(values: Readonly<Record<string, number>>): number {
  return Object.values(values).reduce((total, value) => total + value, 0)
}

/** Lets clients come and go for a moment, under what has just been changed. */
function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pause))
}

describe(`a gateway with ${tunnels} tunnels to five servers, under constant connecting`, () => {
  let before: FleetReport
  let after: FleetReport

  test('spreads them evenly', async () => {
    await fleet.tell({ do: 'fill', count: tunnels })
    before = await fleet.report()
    expect(sum(before.live)).toBe(tunnels)
    for (const share of Object.values(before.live)) {
      expect(Math.abs(share - tunnels / 5)).toBeLessThan((0.1 * tunnels) / 5)
    }
    expect(before.losses).toEqual({})
    expect(before.refusals).toEqual({})
  }, 60_000)

  test('survives a kill, a join, a drain and ten reloads', async () => {
    await fleet.tell({ do: 'churn', perSecond: churn })
    await servers.a?.kill()
    const [join, ...others] = edits()
    await gateway.reload(options(join as Edit))
    const drained = gateway.drain((servers.b as BackendProcess).address, drainOver)
    for (const edit of others) {
      await moment()
      await gateway.reload(options(edit))
    }
    const mistake = { ...options({ servers: last }), routes: [{ pool: 'nowhere' }] }
    await expect(gateway.reload(mistake)).rejects.toThrow('routes[0].pool')
    expect(await drained).toBe(true)
    await fleet.tell({ do: 'renew', count: minute })
    await fleet.tell({ do: 'calm' })
    after = await fleet.report()
    expect(sum(after.live)).toBe(tunnels)
  }, 60_000)

  test('loses the tunnels of the killed server and no other; those of the drained one get Close 1012', () => {
    const killed = Object.entries(after.losses).filter(([loss]) => loss.startsWith('a '))
    const { 'b close 1012': drained = 0, ...rest } = Object.fromEntries(
      Object.entries(after.losses).filter(([loss]) => !loss.startsWith('a ')),
    )
    expect(rest).toEqual({})
    // Some left by themselves meanwhile.
    expect(sum(Object.fromEntries(killed))).toBeGreaterThan(0.9 * (before.live.a as number))
    expect(drained).toBeGreaterThan(0.8 * (before.live.b as number))
    // An upgrade that was with the killed server at that moment is answered 502.
    const { 502: failed = 0, ...strange } = after.refusals
    expect(strange).toEqual({})
    expect(failed).toBeLessThan(0.01 * tunnels)
  })

  test('has each server at its weight within 10 %, one minute later', () => {
    const { c, d, e, f, ...none } = after.live
    expect(none).toEqual({})
    for (const [share, weight] of [
      [c, 1],
      [d, 1],
      [e, 1],
      [f, 2],
    ] as const) {
      const ideal = (tunnels * weight) / 5
      expect(Math.abs((share as number) - ideal)).toBeLessThan(0.1 * ideal)
    }
  })

  test('counts as many seats as there are tunnels, at each server', async () => {
    const report = await gateway.statusWith(tunnels)
    expect(seats(report)).toEqual(after.live)
    expect(report.admission).toMatchObject({ seats: tunnels, clientConnections: tunnels, waiting: 0 })
    expect(await counted(after.live)).toEqual(after.live)
    expect(report.errors.filter((text) => !text.includes('gateway.reload_failed'))).toEqual([])
  })

  test('has no seat and no descriptor left when all are gone', async () => {
    await fleet.tell({ do: 'disband' })
    await eventually(() => gateway.descriptors <= descriptors)
    // Less when the runtime has closed one of its own.
    expect(gateway.descriptors).toBeLessThanOrEqual(descriptors)
    const { backends, admission, errors } = await gateway.statusWith(0)
    expect(backends.filter((one) => one.connections + one.active + one.seats > 0)).toEqual([])
    expect(admission).toMatchObject({ seats: 0, clientConnections: 0, waiting: 0 })
    expect(errors).toHaveLength(1)
    const none = { b: 0, c: 0, d: 0, e: 0, f: 0 }
    expect(await counted(none)).toEqual(none)
  }, 60_000)
})
