import { z } from 'zod'
import { type JsonSchema, sayQuantity } from '../src/config/json-schema.ts'
import { hubOptions } from '../src/hub/options.ts'
import { sections } from './schema-tables.ts'

/** The options as a JSON Schema, in which functions and objects of the program are of types of their own. */
export function hubJsonSchema(): JsonSchema {
  const how = { io: 'input', target: 'draft-7', unrepresentable: 'any', override: sayQuantity } as const
  return z.toJSONSchema(hubOptions, how) as JsonSchema
}

/** `docs/reference/hub-options.md`, made from the schema. */
export function hubReference(): string {
  return `${[intro, ...new Set(sections(hubJsonSchema())), example].join('\n\n')}\n`
}

const intro = `<!-- Written by \`npm run docs\` from src/hub/options.ts. Change it there. -->

# Options of the hub

What \`createHub\` of \`fairlead/hub\` takes. Every option may be left out. All mistakes are told at once, each with the
field, what was found and what is expected. [The guide](../guide/hub.md) has what they are for.

- A **duration** is text with a unit: \`250ms\`, \`5s\`, \`1.5m\`, \`2h\`, \`1d\`; at most \`24d\`.
- A **size** is text with a unit: \`512B\`, \`64KiB\`, \`1MiB\`.`

const example = `## Everything

Every option; those with a default show it, but for \`rooms\`.

\`\`\`ts
import { createHub } from 'fairlead/hub'
import { memory } from 'fairlead/cluster'

const hub = createHub({
  node: 'blue-1',
  path: '/ws',
  authenticate: ({ headers }) =>
    headers.cookie ? { user: headers.cookie, data: null } : { status: 401, reason: 'sign in first' },
  authenticateTimeout: '5s',
  origins: ['https://example.com', 'https://*.example.com'],
  dangerouslyAcceptAnyOrigin: false,
  protocols: ['chat.v2', 'chat.v1'],
  maxConnections: 50_000,
  maxMessage: '1MiB',
  compression: false,
  heartbeat: { interval: '25s', timeout: '8s' },
  closeTimeout: '10s',
  messageRate: { perSecond: 10, burst: 10, whenExceeded: 'pause' },
  sendQueue: { limit: '1MiB', whenFull: 'close' },
  receiveQueue: { messages: 64, bytes: '256KiB' },
  cluster: memory(),
  namespace: 'fairlead',
  address: '10.0.0.7:3001',
  lease: { beat: '3s', suspect: '7s', dead: '15s' },
  questionTimeout: '5s',
  presenceGrace: '5s',
  userPresence: false,
  maxRecovered: 500,
  rooms: {
    lobby: { presence: true },
    'chat-*': { history: { size: 100, age: '5m', stamp: (data) => data } },
  },
  log: console,
})
\`\`\``
