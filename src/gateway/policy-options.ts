import { z } from 'zod'
import { Secret } from '../core/secret.ts'

/** Policies that need no more than their name. */
const plainPolicies = [
  'auto',
  'round-robin',
  'least-connections',
  'power-of-two',
  'random',
  'peak-ewma',
] as const

export type PlainPolicy = (typeof plainPolicies)[number]

/** What a hash is taken of. */
export type HashSource =
  | { readonly kind: 'header' | 'cookie' | 'query'; readonly name: string }
  /** Counted from 1. */
  | { readonly kind: 'segment'; readonly number: number }

const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
const leastSecret = 16

const hashSource = z
  .strictObject(
    {
      header: z
        .string()
        .regex(token, 'expected a header name')
        .optional()
        .meta({ description: 'Name of a request header, such as `x-user`.' }),
      cookie: z
        .string()
        .regex(token, 'expected the name of a cookie')
        .optional()
        .meta({ description: 'Name of a cookie that the application sets.' }),
      query: z
        .string()
        .min(1)
        .max(128)
        .optional()
        .meta({ description: 'Name of a query parameter: `room` for `/chat?room=7`.' }),
      pathSegment: z
        .int()
        .min(1)
        .max(64)
        .optional()
        .meta({ description: 'Number of a segment of the path, from 1: 2 is `blue` in `/rooms/blue/chat`.' }),
    },
    'expected a map with one of header, cookie, query or pathSegment',
  )
  .transform(({ header, cookie, query, pathSegment }, context): HashSource => {
    // A key that does not exist is told already.
    if (context.issues.length > 0) return z.NEVER
    const sources: HashSource[] = []
    if (header !== undefined) sources.push({ kind: 'header', name: header.toLowerCase() })
    if (cookie !== undefined) sources.push({ kind: 'cookie', name: cookie })
    if (query !== undefined) sources.push({ kind: 'query', name: query })
    if (pathSegment !== undefined) sources.push({ kind: 'segment', number: pathSegment })
    if (sources.length === 1) return sources[0] as HashSource
    const message = 'expected exactly one of header, cookie, query and pathSegment'
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
  .meta({
    minProperties: 1,
    maxProperties: 1,
    description:
      'What stays with one backend. A request without it goes to any. Equal on every gateway with the same backends.',
  })

const boundMessage = "expected a percentage from '101%' to '1000%', or 'none'"

const bound = z
  .string(boundMessage)
  .regex(/^\d{3,4}%$|^none$/, boundMessage)
  .transform((text, context) => {
    const percent = text === 'none' ? Number.POSITIVE_INFINITY : Number.parseInt(text, 10)
    if (percent === Number.POSITIVE_INFINITY || (percent >= 101 && percent <= 1000)) return percent / 100
    context.addIssue({ code: 'custom', message: boundMessage })
    return z.NEVER
  })
  .prefault('150%')
  .meta({
    description:
      'Most that a backend may carry relative to its fair share; what is more goes to the next choice of its hash. `none`: no bound. Below 8 connections there is none.',
    default: '150%',
    examples: ['150%'],
  })

const secret = z
  .union([
    z.string('expected text').min(leastSecret, `expected at least ${leastSecret} characters`),
    z.strictObject({
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of an environment variable')
        .meta({ description: 'Name of the environment variable that holds it.' }),
    }),
  ])
  .transform((value, context) => {
    if (typeof value === 'string') return new Secret(value)
    const text = process.env[value.env]
    if (text !== undefined && text.length >= leastSecret) return new Secret(text)
    const message = `expected that the environment variable ${value.env} has at least ${leastSecret} characters`
    context.addIssue({ code: 'custom', path: ['env'], message })
    return z.NEVER
  })
  .meta({
    description: `What the cookie is signed with, the same on every gateway: at least ${leastSecret} characters, or \`{ env: NAME }\`. Never logged.`,
  })

const sticky = z.strictObject({
  cookie: z
    .string()
    .regex(token, 'expected the name of a cookie')
    .optional()
    .meta({ description: 'Name of the cookie. Without it: `fairlead-` and the name of the pool.' }),
  secret,
  otherwise: z
    .enum(plainPolicies)
    .default('auto')
    .meta({ description: 'Who gets a client that has no cookie yet, or whose backend is gone.' }),
})

/** Chosen by name, or by a map when more has to be said. */
export const policyOption = z.union([
  z.enum([...plainPolicies, 'source-ip-hash']),
  z.strictObject({ hash: hashSource, bound }),
  z.strictObject({
    sticky: sticky.meta({
      description:
        'A signed cookie keeps each client with its backend: HttpOnly, SameSite=Lax, Secure when the client came by TLS. Set anew when the backend is gone.',
    }),
  }),
])

export type PolicyConfig = z.output<typeof policyOption>

/** As told to people: `round-robin`, `hash of header x-user`, `sticky cookie`. */
export function describePolicy(policy: PolicyConfig): string {
  if (typeof policy === 'string') return policy
  if ('sticky' in policy) return `sticky cookie, else ${policy.sticky.otherwise}`
  const { hash } = policy
  if (hash.kind === 'segment') return `hash of path segment ${hash.number}`
  return `hash of ${hash.kind === 'query' ? 'query parameter' : hash.kind} ${hash.name}`
}

interface StickyPlaces {
  readonly pools: Readonly<Record<string, { readonly policy?: unknown } | undefined>>
  readonly routes: readonly ({ readonly pool?: unknown; readonly policy?: unknown } | undefined)[]
}

/**
 * Two sticky policies of one pool, its own or those of its routes, that write one cookie with different secrets would
 * take turns in calling each other's cookies forged, and nobody would stay anywhere. Wrong entries may be among them.
 */
export function checkStickyCookies({ pools, routes }: StickyPlaces, context: z.core.$RefinementCtx): void {
  for (const [pool, own] of Object.entries(pools)) {
    const secrets = new Map<string, string>()
    const places = routes.map((route, index) => ({ route, path: ['routes', index] }))
    const all = [
      { policy: own?.policy, path: ['pools', pool] },
      ...places.flatMap(({ route, path }) => (route?.pool === pool ? [{ policy: route.policy, path }] : [])),
    ]
    for (const { policy, path } of all) {
      const { secret: signer, cookie = `fairlead-${pool}` } = stickyOf(policy) ?? {}
      if (!(signer instanceof Secret)) continue
      const known = secrets.get(cookie)
      secrets.set(cookie, known ?? signer.reveal())
      if (known === undefined || known === signer.reveal()) continue
      const message = `expected a name of its own, or the secret that signs ${cookie} elsewhere in pool ${pool}`
      context.addIssue({
        code: 'custom',
        path: [...path, 'policy', 'sticky', 'cookie'],
        message,
        input: cookie,
      })
    }
  }
}

function stickyOf(policy: unknown): { secret?: unknown; cookie?: string } | undefined {
  if (typeof policy !== 'object' || policy === null || !('sticky' in policy)) return undefined
  const { sticky: found } = policy
  return typeof found === 'object' && found !== null ? found : undefined
}
