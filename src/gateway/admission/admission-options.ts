import { z } from 'zod'
import type { RateRule } from '../../core/admission/token-bucket.ts'
import { duration } from '../../core/options/option-values.ts'

/**
 * The options that bound how many connections there are and how fast new ones come. Every cap is off unless it is
 * set: a limit that nobody chose is found out when it bites.
 */

/** Part of a second whose connections a rate lets through at once, unless told otherwise: what timers are late by. */
const pacedBurst = 1 / 50

const count = (about: string) => z.int().min(1).max(10_000_000).optional().meta({ description: about })

const perSecond = z.number().min(0.001).max(1_000_000).meta({
  description: 'New connections per second; less than 1 for one in several seconds.',
})

const burst = (fallback: string) =>
  z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: `How many may come at once after a pause. Without it: ${fallback}, at least 1.` })

/** @param share of a second's connections that may come at once by default */
function rate(share: number, fallback: string, about: string) {
  return z
    .strictObject({ perSecond, burst: burst(fallback) })
    .transform(
      ({ perSecond, burst = Math.max(1, Math.ceil(perSecond * share)) }): RateRule => ({ perSecond, burst }),
    )
    .optional()
    .meta({ description: about })
}

const pacedRate = (about: string) => rate(pacedBurst, 'what comes in 20 ms', about)

const admission = z
  .strictObject({
    maxConnections: count(
      'Most WebSockets at a time, in all pools together; more wait. Without it: any number.',
    ),
    maxConnectionsPerClient: count(
      'Most WebSockets at a time of one client address (IPv6: of one /64), those that wait included; more get 429. Without it: any number.',
    ),
    rate: pacedRate('How fast new WebSockets are let in, in all pools together; faster ones wait.'),
    ratePerClient: rate(
      1,
      "a second's worth",
      'How fast one client address (IPv6: one /64) may open WebSockets; faster ones get 429.',
    ),
  })
  .prefault({})
  .meta({ description: 'Caps on WebSocket connections of the whole gateway and of each client.' })

/** Fields of the gateway. */
export const gatewayAdmission = { admission }

const waitingRoom = z
  .strictObject({
    size: z.int().min(0).max(100_000).default(1024).meta({
      description:
        'Most upgrades that wait; then the newest of the client that has most waiting gets 503. 0: nobody waits.',
    }),
    timeout: duration('5s', 'An upgrade waits for a seat; then 503 with `Retry-After`.'),
  })
  .prefault({})
  .meta({
    description:
      'Where upgrades wait before their 101 while a cap or a rate is reached: the clients take turns, and each one is served in the order it came.',
  })

const connectRate = pacedRate(
  'How fast each backend gets new WebSockets; faster ones go to others or wait. Pools that share a backend agree about it.',
)

/** Fields of a pool. */
export const poolAdmission = {
  maxConnections: count('Most WebSockets at a time in this pool; more wait. Without it: any number.'),
  maxConnectionsPerBackend: count(
    'Most WebSockets at a time on each backend; more go to others or wait. Pools that share a backend agree about it. Without it: any number.',
  ),
  connectRate,
  waitingRoom,
}

/** Fields of a backend. */
export const backendAdmission = {
  maxConnections: count("Instead of the pool's `maxConnectionsPerBackend`."),
  connectRate: pacedRate("Instead of the pool's `connectRate`."),
}

/** What one backend may be given. */
export interface BackendLimits {
  readonly maxConnections: number
  readonly rate: RateRule | null
}

interface PoolLimits {
  readonly maxConnectionsPerBackend?: number | undefined
  readonly connectRate?: RateRule | undefined
}

interface OwnLimits {
  readonly maxConnections?: number | undefined
  readonly connectRate?: RateRule | undefined
}

/** The limits of a backend of a pool: its own, else the pool's. */
export function backendLimits(pool: PoolLimits, own: OwnLimits): BackendLimits {
  return {
    maxConnections: own.maxConnections ?? pool.maxConnectionsPerBackend ?? Number.POSITIVE_INFINITY,
    rate: own.connectRate ?? pool.connectRate ?? null,
  }
}

interface LimitedPool extends PoolLimits {
  readonly backends: readonly (OwnLimits & { readonly address: string })[]
}

/** Seats and rates belong to an address, not to a pool: pools that share a backend have to agree about them. */
export function sameLimitsEverywhere(
  pools: Readonly<Record<string, LimitedPool>>,
  context: z.core.$RefinementCtx,
): void {
  const first = new Map<string, { readonly name: string; readonly limits: BackendLimits }>()
  for (const [name, pool] of Object.entries(pools)) {
    for (const [index, backend] of pool.backends.entries()) {
      const limits = backendLimits(pool, backend)
      const other = first.get(backend.address)
      if (other === undefined) first.set(backend.address, { name, limits })
      else {
        const field = differing(limits, other.limits)
        if (field === null) continue
        const message = `expected the same ${field} for ${backend.address} as in pool ${other.name}`
        context.addIssue({ code: 'custom', path: [name, 'backends', index], message, input: backend.address })
      }
    }
  }
}

function differing(one: BackendLimits, other: BackendLimits): string | null {
  if (one.maxConnections !== other.maxConnections) return 'cap on connections'
  const same = one.rate?.perSecond === other.rate?.perSecond && one.rate?.burst === other.rate?.burst
  return same ? null : 'connectRate'
}

export type WaitingRoomConfig = z.output<typeof waitingRoom>
