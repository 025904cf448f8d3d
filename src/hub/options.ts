import { z } from 'zod'
import { duration, size } from '../core/options/option-values.ts'
import { clusterOptions } from './cluster-options.ts'
import type { HubLog } from './log.ts'
import { isOriginRule } from './origins.ts'
import { token } from './subprotocols.ts'
import type { HandshakeRequest } from './transport.ts'

/**
 * The hub's options: one schema that gives the types, the checks and the defaults. Parsing turns durations into
 * milliseconds and sizes into bytes; nothing below checks again.
 */

/** What `authenticate` says of somebody who may come in: one of the two at least, and nothing else. */
export type Welcome<UserData = undefined> = {
  /** Whose connection it is, for `hub.user(id)`. Without it: nobody's. */
  readonly user?: string | undefined
} & ([undefined] extends [UserData] ? { readonly data?: UserData } : { readonly data: UserData })

/** What `authenticate` says of somebody who may not. */
export interface Refusal {
  /** 400 to 599. */
  readonly status: number
  /** Sent as the body. */
  readonly reason: string
  /** None that frame the answer: Connection, Content-Length, Transfer-Encoding, Upgrade. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** What a program finds at `connection.data`, by what its `authenticate` returns. */
export type DataOf<Verdict> = [DataOfEach<Verdict>] extends [never] ? undefined : DataOfEach<Verdict>

/** Of a union, each: a refusal has none. */
type DataOfEach<Verdict> = Verdict extends { readonly status: number }
  ? never
  : 'data' extends keyof Verdict
    ? Verdict['data']
    : undefined

export type Authenticate<UserData> = (
  request: HandshakeRequest,
) => Welcome<UserData> | Refusal | Promise<Welcome<UserData> | Refusal>

/** Which of the subprotocols that a client offers is spoken; null for none. */
export type ChooseProtocol = (offered: readonly string[], request: HandshakeRequest) => string | null

const isFunction = (value: unknown): boolean => typeof value === 'function'

const heartbeat = z.strictObject({
  interval: duration('25s', 'Between two pings, give or take 10 %.'),
  timeout: duration(
    '8s',
    'How long the answer, or any other sign of life, may take; then the connection is cut.',
  ),
})

const messageRate = z.strictObject({
  perSecond: z.number().positive().max(1_000_000).meta({ description: 'Messages a second, sustained.' }),
  burst: z.int().min(1).max(1_000_000).optional().meta({
    description: 'Messages at once after a pause. Default: what comes in one second, at least 1.',
  }),
  whenExceeded: z.enum(['pause', 'close']).default('pause').meta({
    description:
      '`pause`: the rest is handled when its time has come, and the socket is not read meanwhile. `close`: Close 1008.',
  }),
})

const sendQueue = z
  .strictObject({
    limit: size('1MiB', 1024, 1024 ** 3, 'How much may wait. A message counts 64 bytes more than its size.'),
    whenFull: z.enum(['close', 'drop-oldest', 'drop-newest', 'conflate']).default('close').meta({
      description:
        '`close`: Close 4008, reconnecting is welcome. `drop-oldest`, `drop-newest`: messages are dropped, but for those of rooms with history: when these do not fit, as `close`. `conflate`: a message with a key replaces one that waits with the same key; else as `close`.',
    }),
  })
  .prefault({})
  .meta({ description: 'What waits for a peer that does not keep up, for each connection.' })

const receiveQueue = z
  .strictObject({
    messages: z
      .int()
      .min(1)
      .max(100_000)
      .default(64)
      .meta({ description: 'Messages that wait for a handler.' }),
    bytes: size('256KiB', 1024, 1024 ** 3, 'Their size together.'),
  })
  .prefault({})
  .meta({
    description:
      'What has arrived and waits for its handler, for each connection. When one limit is reached, the socket is not read until half of it is done.',
  })

export const hubOptions = z.strictObject({
  node: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, "expected 1 to 64 letters, digits, '_' or '-', and no dots")
    .optional()
    .meta({
      description:
        "This node's name: 1 to 64 letters, digits, `_` or `-`, unique among those that live. Without it: a random one.",
    }),
  path: z
    .string()
    .regex(/^\/[^?#]*$/, "expected a path that starts with '/', without '?' and '#'")
    .optional()
    .meta({ description: 'The path of WebSockets. Without it: every path.' }),
  authenticate: z.custom<Authenticate<unknown>>(isFunction, 'expected a function').optional().meta({
    description:
      'Decides who may come in, before the 101: returns, or resolves to, `{ user, data }` or `{ status, reason }`. Without it: everybody, and nobody is a user.',
    type: 'function',
  }),
  authenticateTimeout: duration('5s', 'How long `authenticate` may take; then 503.'),
  origins: z
    .array(
      z
        .string()
        .refine(isOriginRule, "expected an origin such as 'https://example.com' or 'https://*.example.com'"),
    )
    .default([])
    .meta({ description: 'Origins of pages that may connect, besides the same origin; others get 403.' }),
  dangerouslyAcceptAnyOrigin: z.boolean().default(false).meta({
    description:
      'Lets any page on the web connect, with the cookies of whoever looks at it. For services without cookies.',
  }),
  protocols: z
    .union([
      z.array(z.string().regex(token, 'expected the name of a subprotocol')),
      z
        .custom<ChooseProtocol>(isFunction, 'expected a list of subprotocols or a function')
        .meta({ type: 'function' }),
    ])
    .default([])
    .meta({
      description:
        'Subprotocols, the preferred one first, or a function that chooses. When none fits, none is agreed on.',
    }),
  maxConnections: z.int().min(1).max(10_000_000).optional().meta({
    description:
      'Connections at this node, handshakes included; then 503 with Retry-After. Without it: no limit.',
  }),
  maxMessage: size(
    '1MiB',
    1,
    1024 ** 3,
    'Most that one inbound message may have, after decompression; then Close 1009.',
  ),
  compression: z.boolean().default(false).meta({
    description: 'permessage-deflate, for messages from 1 KiB. Costs CPU, and memory for each connection.',
  }),
  heartbeat: z
    .union([heartbeat, z.literal(false)])
    .prefault({})
    .meta({
      description: 'Pings, to find peers that vanished without a word. `false`: none.',
    }),
  closeTimeout: duration('10s', 'How long a peer may take to answer a Close; then it is cut.'),
  messageRate: messageRate
    .optional()
    .meta({ description: 'How much a client may send. Without it: no limit.' }),
  sendQueue,
  receiveQueue,
  ...clusterOptions,
  log: z
    .custom<HubLog>(
      (value) =>
        typeof value === 'object' &&
        value !== null &&
        ['info', 'warn', 'error'].every((level) => isFunction((value as Record<string, unknown>)[level])),
      'expected a logger with info, warn and error',
    )
    .optional()
    .meta({
      description:
        'Where lines of the log go: `info`, `warn` and `error`, as pino has them. Without it: warnings and mistakes to standard error.',
      type: 'logger',
    }),
})

/** Every option but `authenticate`. */
export type OtherHubOptions = Omit<z.input<typeof hubOptions>, 'authenticate'>

/** What a program writes. */
export type HubOptions<UserData = undefined> = OtherHubOptions & {
  authenticate?: Authenticate<UserData> | undefined
}
/** The same, checked, with every default filled in, milliseconds and bytes. */
export type HubConfig = z.output<typeof hubOptions>
