import { z } from 'zod'
import { duration, optionalDuration, size } from '../core/options/option-values.ts'
import {
  backendAdmission,
  gatewayAdmission,
  poolAdmission,
  sameLimitsEverywhere,
} from './admission/admission-options.ts'
import { discoverOption } from './discover-options.ts'
import { healthOptions } from './health/health-options.ts'
import { sameHealthEverywhere } from './health/same-health.ts'
import { checkStickyCookies, policyOption } from './policy-options.ts'
import { retryOption } from './retry-options.ts'

/**
 * The gateway's options: one schema that gives the types, the checks, the defaults, the JSON Schema for
 * editors and the reference page. Parsing turns durations into milliseconds and sizes into bytes; nothing
 * below checks again.
 */

const port = z.int().min(1).max(65535)
const name = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, "expected 1 to 64 letters, digits, '_', '.' or '-'")

const listener = z.union([
  z.strictObject({
    port: z.int().min(0).max(65535).meta({ description: 'TCP port; 0 picks a free one.' }),
    host: z
      .union([z.ipv4(), z.ipv6()])
      .optional()
      .meta({ description: 'IP address to bind. Without it: every address, IPv6 and IPv4.' }),
  }),
  z.strictObject({
    path: z
      .string()
      .min(1)
      .meta({ description: 'Path of a Unix socket. A leftover file nobody listens on is replaced.' }),
  }),
])

function checkListeners(
  listeners: readonly z.output<typeof listener>[],
  context: z.core.$RefinementCtx,
): void {
  const seen = new Set<string>()
  for (const [index, listener] of listeners.entries()) {
    if ('port' in listener && listener.port === 0) continue
    const place = 'path' in listener ? listener.path : `${listener.host ?? '*'}:${listener.port}`
    if (seen.has(place)) {
      const message = `expected each listener once; ${place} is there already`
      context.addIssue({ code: 'custom', path: [index], message, input: place })
    }
    seen.add(place)
  }
}

const backendState = z.enum(['active', 'draining', 'disabled'])

const address = z
  .string('expected host:port, [ipv6]:port or unix:/path')
  .meta({ description: '`host:port`, `[ipv6]:port` or `unix:/path`.' })

const weight = z
  .int()
  .min(0)
  .max(256)
  .default(1)
  .meta({ description: 'Share of new connections relative to the other backends; 0 gets none.' })

const backend = z.union([
  address,
  z.strictObject({
    address,
    weight,
    ...backendAdmission,
    state: backendState.optional().meta({
      description:
        '`draining`: no new connections, and live tunnels are closed one by one over `timeouts.drain`. `disabled`: no new connections, and what is live stays. An address that several pools name has one state, the strictest.',
    }),
  }),
])

/** Where a backend is: parsed from `host:port`, `[ipv6]:port` or `unix:/path`. */
export type BackendAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** Undefined when the text is none of `host:port`, `[ipv6]:port`, `unix:/path`. */
export function parseBackendAddress(text: string): BackendAddress | undefined {
  if (text.startsWith('unix:')) return text.length > 5 ? { kind: 'unix', path: text.slice(5) } : undefined
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]{1,253})):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const parsed = port.safeParse(Number(match[3]))
  return parsed.success
    ? { kind: 'tcp', host: (match[1] ?? match[2]) as string, port: parsed.data }
    : undefined
}

const parsedBackend = backend.transform((value, context) => {
  const own = typeof value === 'string' ? { address: value, weight: 1 } : value
  const { address } = own
  const target = parseBackendAddress(address)
  if (target !== undefined) return { ...own, target }
  context.addIssue({
    code: 'custom',
    path: typeof value === 'string' ? [] : ['address'],
    message: 'expected host:port, [ipv6]:port or unix:/path',
    input: address,
  })
  return z.NEVER
})

/** A backend in a list that is found: whether it may serve is not for the list to say. */
export const discoverableBackend = z
  .union([address, z.strictObject({ address, weight })])
  .transform((value) => (typeof value === 'string' ? { address: value, weight: 1 } : value))
  .superRefine((value, context) => {
    if (parseBackendAddress(value.address) !== undefined) return
    const message = 'expected host:port, [ipv6]:port or unix:/path'
    context.addIssue({ code: 'custom', message, input: value.address })
  })

const poolFields = z.strictObject({
  policy: policyOption.prefault('auto').meta({
    description:
      'Which backend is preferred: a name, or a map for hashes and sticky cookies. `auto`: `power-of-two` for WebSockets, `round-robin` for HTTP requests.',
    default: 'auto',
  }),
  backends: z
    .array(parsedBackend)
    .max(10_000)
    .default([])
    .meta({ description: 'The servers of this pool. With `discover`, those that are always in it.' }),
  discover: discoverOption,
  ...healthOptions,
  ...poolAdmission,
  retries: retryOption,
  drainOnRestart: z.boolean().default(true).meta({
    description:
      'Whether a backend that closes two tunnels, or its only one, with 1012 (service restart) is drained. It is taken back 30 seconds after the last such Close. Never the last one of a pool that may serve.',
  }),
})

const pool = poolFields.superRefine(({ backends, discover }, context) => {
  if (backends.length > 0 || discover !== undefined) return
  const message = 'expected at least one backend, or discover'
  context.addIssue({ code: 'custom', path: ['backends'], message, input: backends })
})

const pathRule = z.string().regex(/^\/[^?#]*$/, "expected a path that starts with '/', without '?' and '#'")

const match = z.strictObject({
  host: z
    .string()
    .regex(
      /^(\*\.)?[A-Za-z0-9_.-]+$|^\[[0-9A-Fa-f:.]+\]$/,
      "expected a host name without port, such as 'example.com' or '*.example.com'",
    )
    .optional()
    .meta({ description: 'Host name without port. `*.example.com` takes every name below `example.com`.' }),
  path: z
    .union([pathRule, z.strictObject({ exact: pathRule }), z.strictObject({ prefix: pathRule })])
    .optional()
    .meta({
      description:
        'A string or `{ prefix }` takes the path and everything below it (`/chat` takes `/chat` and `/chat/a`, not `/chatter`); `{ exact }` takes just this path.',
    }),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-_]+$/, 'expected a header name'), z.string())
    .optional()
    .meta({ description: 'Header names and the exact value each must have; `*` takes any value.' }),
})

const heartbeat = z.strictObject({
  interval: duration('25s', 'Between two pings, give or take 10 %.'),
  misses: z.int().min(1).max(10).default(2).meta({
    description:
      'Intervals in a row without an answer, or any other sign of life, after which a peer is cut and the other side gets Close 1001.',
  }),
  to: z.enum(['both', 'client', 'backend']).default('both').meta({ description: 'Who is pinged.' }),
})

const route = z.strictObject({
  match: match.optional().meta({ description: 'What a request must match. Without it: everything.' }),
  pool: z
    .string('expected the name of a pool')
    .meta({ description: 'Name of the pool that serves this route.' }),
  policy: policyOption.optional().meta({ description: "Used on this route instead of the pool's." }),
  heartbeat: heartbeat.optional().meta({
    description:
      'Pings of the gateway itself on the tunnels of this route, to find peers that vanished without a word. Without it: none.',
  }),
  idle: optionalDuration(
    'A tunnel may be without a message from either side, pings do not count; then it is closed with 1001, up to a quarter of this time later. Without it: forever.',
  ),
  maxAge: optionalDuration(
    'A tunnel may live, give or take 10 %; then it is closed with 1001. Without it: forever.',
  ),
})

const timeouts = z
  .strictObject({
    connect: duration('3s', 'For a backend to accept the TCP connection; then another backend is tried.'),
    requestHead: duration('10s', 'For a client to send the whole request head; then 408.'),
    requestBodyIdle: duration('30s', 'Without a byte from a client that is sending a body; then 408.'),
    response: duration('60s', "For a backend's response head to an HTTP request; then 504."),
    responseBodyIdle: duration('5m', 'Without a byte from a backend within a response body; then it is cut.'),
    upgrade: duration('10s', "For a backend's answer to a WebSocket upgrade; then 504."),
    clientIdle: duration('60s', 'A client connection may stay open between requests.'),
    backendIdle: duration('30s', 'A backend connection is kept for reuse between requests.'),
    halfClosed: duration('10s', 'A tunnel may live on after one side has finished; then it is cut.'),
    drain: duration(
      '5m',
      'Over which the live tunnels of a draining backend are closed, evenly and the longest idle first.',
    ),
    shutdown: duration(
      '10s',
      'Live requests and tunnels get after SIGTERM, tunnels closed one by one; then they are cut.',
    ),
  })
  .prefault({})
  .meta({ description: 'Deadlines, one for every phase.' })

const limits = z
  .strictObject({
    head: size('16KiB', 1024, 1024 ** 2, 'Largest request or response head; then 431 or 502.'),
    fields: z
      .int()
      .min(10)
      .max(1000)
      .default(100)
      .meta({ description: 'Most header fields in one head, and in one trailer; then 431 or 502.' }),
    clientConnections: z.int().min(1).max(10_000_000).optional().meta({
      description:
        "Most client connections, idle ones included; more get 503. Never more than half of the process's file descriptors, less a reserve, since each may need another one for its backend; without it: so many.",
    }),
    idleBackendConnections: z
      .int()
      .min(0)
      .max(10_000)
      .default(128)
      .meta({ description: 'Most idle HTTP connections kept for each backend; 0 turns reuse off.' }),
  })
  .prefault({})
  .meta({ description: 'Bounds on what peers may send and what is kept.' })

const log = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .meta({ description: 'Least level that is written. Access lines are `info`.' }),
    format: z
      .enum(['auto', 'json', 'pretty'])
      .default('auto')
      .meta({ description: '`auto`: pretty on a terminal, JSON elsewhere.' }),
    access: z
      .boolean()
      .default(true)
      .meta({ description: 'Whether each request and each tunnel gets a line.' }),
  })
  .prefault({})
  .meta({ description: 'Structured log on standard output.' })

export const gatewayOptions = z
  .strictObject({
    listen: z
      .array(listener)
      .min(1, 'expected at least one listener')
      .superRefine(checkListeners)
      .meta({ description: 'Where the gateway accepts connections.' }),
    pools: z
      .record(name, pool)
      .refine((pools) => Object.keys(pools).length > 0, 'expected at least one pool')
      .superRefine(sameHealthEverywhere)
      .superRefine(sameLimitsEverywhere)
      .meta({ description: 'The pools of backends, by name.' }),
    routes: z
      .array(route)
      .min(1, 'expected at least one route')
      .meta({ description: 'Tried in this order; the first that matches serves the request.' }),
    trustedProxies: z
      .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
      .default([])
      .meta({
        description:
          'Addresses or CIDR blocks of proxies in front of this one. Only their `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed and continued; from everybody else they are replaced.',
      }),
    ...gatewayAdmission,
    timeouts,
    limits,
    log,
  })
  // Run also when single fields are wrong, so that all mistakes of a file are told at once.
  .superRefine(checkReferences, { when: ({ value }) => hasPoolsAndRoutes(value) })
  .superRefine(checkStickyCookies, { when: ({ value }) => hasPoolsAndRoutes(value) })

function hasPoolsAndRoutes(value: unknown): boolean {
  return isMap(value) && isMap(value.pools) && Array.isArray(value.routes)
}

interface References {
  readonly pools: Readonly<Record<string, { readonly backends?: readonly unknown[] } | undefined>>
  readonly routes: readonly ({ readonly pool?: unknown } | undefined)[]
}

/** Every route names a pool that exists, and no pool has a backend twice. Wrong entries may be among them. */
function checkReferences({ pools, routes }: References, context: z.core.$RefinementCtx): void {
  const known = Object.keys(pools).join(', ')
  for (const [index, route] of routes.entries()) {
    const pool = isMap(route) ? route.pool : undefined
    if (typeof pool !== 'string' || Object.hasOwn(pools, pool)) continue
    const message = `expected the name of a pool (${known})`
    context.addIssue({ code: 'custom', path: ['routes', index, 'pool'], message, input: pool })
  }
  for (const [name, pool] of Object.entries(pools)) {
    const seen = new Set<string>()
    for (const [index, backend] of (Array.isArray(pool?.backends) ? pool.backends : []).entries()) {
      const address = isMap(backend) ? backend.address : backend
      if (typeof address !== 'string') continue
      if (seen.has(address)) {
        const message = 'expected each backend once in a pool; give it a weight instead'
        const path = ['pools', name, 'backends', index]
        context.addIssue({ code: 'custom', path, message, input: address })
      }
      seen.add(address)
    }
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What a user writes, in YAML, in `fairlead.config.ts` or for `createGateway`. */
export type GatewayOptions = z.input<typeof gatewayOptions>
/** The same, checked, with every default filled in, milliseconds and bytes. */
export type GatewayConfig = z.output<typeof gatewayOptions>
export type RouteConfig = GatewayConfig['routes'][number]
export type PoolConfig = GatewayConfig['pools'][string]
export type ListenerConfig = GatewayConfig['listen'][number]
