import { expect, test } from 'vitest'
import { formatProblem } from '../../core/options/check-options.ts'
import type { GatewayConfig, GatewayOptions } from '../options.ts'
import { parseOptions } from '../parse-options.ts'
import { backendLimits } from './admission-options.ts'

type Pools = GatewayOptions['pools']

function parsed(pools: Pools, more: Partial<GatewayOptions> = {}): GatewayConfig {
  const result = parseOptions({
    listen: [{ port: 0 }],
    pools,
    routes: [{ pool: Object.keys(pools)[0] as string }],
    ...more,
  })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.config
}

function problems(pools: unknown, more: object = {}): string[] {
  const result = parseOptions({ listen: [{ port: 0 }], pools, routes: [{ pool: 'main' }], ...more })
  if (!('problems' in result)) throw new Error('it is valid')
  return result.problems.map(formatProblem)
}

test('nothing is limited by default, and 1024 may wait for 5 seconds where something is', () => {
  const { admission, limits, pools } = parsed({ main: { backends: ['a:1'] } })
  expect(admission).toEqual({})
  expect(limits.clientConnections).toBe(undefined)
  const pool = pools.main as GatewayConfig['pools'][string]
  expect(pool.waitingRoom).toEqual({ size: 1024, timeout: 5000 })
  expect(backendLimits(pool, pool.backends[0] as (typeof pool.backends)[number])).toEqual({
    maxConnections: Number.POSITIVE_INFINITY,
    rate: null,
  })
})

test('rates that are waited for let 20 ms through at once, those of clients a second, 1 at least', () => {
  const { admission, pools } = parsed(
    { main: { backends: ['a:1'], connectRate: { perSecond: 500 } } },
    { admission: { rate: { perSecond: 3 }, ratePerClient: { perSecond: 7.5 } } },
  )
  expect(pools.main?.connectRate).toEqual({ perSecond: 500, burst: 10 })
  expect(admission.rate).toEqual({ perSecond: 3, burst: 1 })
  expect(admission.ratePerClient).toEqual({ perSecond: 7.5, burst: 8 })
})

test('a backend has its own limits before those of its pool', () => {
  const pool = parsed({
    main: {
      maxConnectionsPerBackend: 100,
      connectRate: { perSecond: 50 },
      backends: [
        { address: 'a:1', maxConnections: 7 },
        { address: 'b:1', connectRate: { perSecond: 1, burst: 9 } },
      ],
    },
  }).pools.main as GatewayConfig['pools'][string]
  const [one, two] = pool.backends.map((backend) => backendLimits(pool, backend))
  expect(one).toEqual({ maxConnections: 7, rate: { perSecond: 50, burst: 1 } })
  expect(two).toEqual({ maxConnections: 100, rate: { perSecond: 1, burst: 9 } })
})

test('pools that share a backend agree about its limits', () => {
  const share = (one: object, two: object) =>
    problems({ main: { backends: ['a:1'], ...one }, other: { backends: ['b:1', 'a:1'], ...two } })
  const place = 'pools.other.backends[1]'
  expect(share({ maxConnectionsPerBackend: 5 }, {})).toEqual([
    `${place}: found "a:1", expected the same cap on connections for a:1 as in pool main`,
  ])
  expect(share({ connectRate: { perSecond: 5 } }, { connectRate: { perSecond: 5, burst: 2 } })).toEqual([
    `${place}: found "a:1", expected the same connectRate for a:1 as in pool main`,
  ])
  parsed({
    main: { backends: ['a:1'], maxConnectionsPerBackend: 5 },
    other: { backends: [{ address: 'a:1', maxConnections: 5 }] },
  })
})

test.each([
  [{ maxConnections: 0 }, 'pools.main.maxConnections'],
  [{ maxConnections: 1.5 }, 'pools.main.maxConnections'],
  [{ maxConnectionsPerBackend: '5' }, 'pools.main.maxConnectionsPerBackend'],
  [{ connectRate: 500 }, 'pools.main.connectRate'],
  [{ connectRate: { perSecond: 0 } }, 'pools.main.connectRate.perSecond'],
  [{ connectRate: { perSecond: 5, burst: 0 } }, 'pools.main.connectRate.burst'],
  [{ connectRate: { burst: 5 } }, 'pools.main.connectRate.perSecond'],
  [{ waitingRoom: { size: -1 } }, 'pools.main.waitingRoom.size'],
  [{ waitingRoom: { timeout: 5 } }, 'pools.main.waitingRoom.timeout'],
  [{ waitingRoom: { length: 5 } }, 'pools.main.waitingRoom.length'],
])('%j is refused', (fields, place) => {
  const [problem = '', ...more] = problems({ main: { backends: ['a:1'], ...fields } })
  expect(more).toEqual([])
  expect(problem.startsWith(`${place}: `)).toBe(true)
  expect(problem).toContain('expected')
})
