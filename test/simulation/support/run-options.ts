import type { GatewayOptions } from '../../../src/gateway/options.ts'
import type { Chance } from './chance.ts'
import type { Surroundings } from './party.ts'

const policies = ['auto', 'round-robin', 'least-connections', 'power-of-two', 'random', 'peak-ewma'] as const

/** A random configuration, as quick with its deadlines as virtual time is free. */
export function randomOptions(
  chance: Chance,
  addresses: readonly string[],
  { calm, crowded }: Surroundings,
): GatewayOptions {
  const often = <T>(probability: number, value: T): T | undefined =>
    chance.is(probability) ? value : undefined
  const probe = chance.pick([
    { tcp: true as const },
    { http: { path: '/health' } },
    { websocket: { path: '/health' } },
  ])
  const health = { ...probe, interval: '1s', timeout: '500ms', rise: 1, fall: 2, closeTunnels: '1s' } as const
  const heartbeat = { interval: chance.pick(['200ms', '2s', '25s'] as const), misses: chance.int(1, 3) }
  const route = {
    pool: 'main',
    ...often(0.5, { heartbeat: { ...heartbeat, ...(calm && { interval: '200ms' as const, misses: 10 }) } }),
    ...(!calm && often(0.3, { idle: '3s' as const })),
    ...(!calm && often(0.3, { maxAge: '5s' as const })),
  }
  const source = { policy: 'source-ip-hash' as const }
  const rate = () => ({ perSecond: chance.int(1, 50), burst: chance.int(1, 5) })
  const limited = calm || crowded ? 0 : 0.3
  return {
    listen: [{ port: 8080 }, { path: '/run/sim.sock' }],
    pools: {
      main: {
        policy: chance.pick(policies),
        backends: addresses.map((address) => ({ address, weight: chance.int(1, 3) })),
        ...often(calm ? 0 : 0.4, { health }),
        ...often(0.3, { slowStart: { window: '2s' as const } }),
        ...often(limited, { maxConnections: chance.int(1, 6) }),
        ...often(limited, { maxConnectionsPerBackend: chance.int(1, 4) }),
        ...often(limited, { connectRate: rate() }),
        ...often(0.5, { waitingRoom: { size: chance.int(0, 6), timeout: '3s' as const } }),
        // A restart takes 30 seconds, in which a crowd would find nobody.
        drainOnRestart: chance.is(0.5) && !crowded,
      },
    },
    admission: {
      ...often(limited, { maxConnections: chance.int(1, 8) }),
      ...often(limited, { maxConnectionsPerClient: chance.int(1, 6) }),
      ...often(limited, { rate: rate() }),
      ...often(limited, { ratePerClient: rate() }),
    },
    routes: chance.is(0.2) ? [{ ...route, ...source }] : [route],
    timeouts: calm
      ? {}
      : { halfClosed: '3s', drain: '20s', upgrade: '2s', response: '5s', responseBodyIdle: '5s' },
    limits: { idleBackendConnections: chance.pick([0, 1, 128]) },
    log: { level: 'debug' },
  }
}
