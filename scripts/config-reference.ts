import { configJsonSchema } from '../src/config/json-schema.ts'
import { sections } from './schema-tables.ts'

/** `docs/reference/config.md`, made from the schema: what cannot be parsed cannot be documented. */
export function configReference(): string {
  const schema = configJsonSchema()
  return `${[intro, ...new Set(sections(schema)), fullExample].join('\n\n')}\n`
}

const intro = `<!-- Written by \`npm run docs\` from src/gateway/options.ts. Change it there. -->

# Configuration

A gateway is configured by a YAML or JSON file, by a TypeScript or JavaScript module, or by the object that
\`createGateway\` takes. All have the same fields.

\`fairlead run\` looks for \`fairlead.yaml\`, \`fairlead.yml\`, \`fairlead.json\`, then \`fairlead.config.ts\`
(\`.mts\`, \`.js\`, \`.mjs\`) in the current folder; \`--config\` names another file. \`fairlead check\` checks a file
and opens nothing. All mistakes are told at once, each with file, line, column, field, what was found and what is
allowed; values of a module have no line and column. Nothing is opened until all is well.

## The smallest file

\`\`\`yaml
# yaml-language-server: $schema=./node_modules/fairlead/docs/reference/config.schema.json
listen: [{ port: 8080 }]
pools: { chat: { policy: round-robin, backends: [127.0.0.1:3001, { address: 127.0.0.1:3002, weight: 2 }] } }
routes: [{ pool: chat }]
\`\`\`

The first line gives completion and checks in editors that know the YAML language server, such as VS Code with
the YAML extension. The schema is part of the package; \`fairlead schema\` prints it too.

The same as a module, \`fairlead.config.ts\`:

\`\`\`ts
import { defineConfig } from 'fairlead'

export default defineConfig({
  listen: [{ port: 8080 }],
  pools: {
    chat: { policy: 'round-robin', backends: ['127.0.0.1:3001', { address: '127.0.0.1:3002', weight: 2 }] },
  },
  routes: [{ pool: 'chat' }],
})
\`\`\`

Where the nearest \`package.json\` says \`"type": "commonjs"\`, as \`npm init\` may write it, Node needs the name
\`fairlead.config.mts\`; Bun takes both.

## Values

- A **duration** is text with a unit: \`250ms\`, \`5s\`, \`1.5m\`, \`2h\`, \`1d\`.
- A **size** is text with a unit: \`512B\`, \`64KiB\`, \`1MiB\`.
- An IPv6 address with port goes in quotes in YAML: \`'[::1]:3001'\`.
- A file has at most 1 MiB. YAML anchors, aliases and merge keys (\`<<\`) work; a key that stands twice is a mistake.`

const fullExample = `## Everything

Every field; those with a default show it.

\`\`\`yaml
listen:
  - port: 8080
  - host: 127.0.0.1
    port: 8081
  - path: /run/fairlead.sock

pools:
  chat:
    policy: power-of-two
    backends:
      - 127.0.0.1:3001
      - address: "[::1]:3002"
        weight: 2
        maxConnections: 2000
        connectRate: { perSecond: 100, burst: 2 }
        state: active
      - unix:/run/chat.sock
    health:
      websocket:
        path: /chat
        host: chat.example.com
        headers: { Origin: https://chat.example.com }
        protocol: chat.v1
      interval: 5s
      timeout: 2s
      rise: 2
      fall: 3
      closeTunnels: 30s
    ejection:
      failures: 5
      time: 30s
      maxTime: 5m
      maxShare: 50
      earlyClose: 1s
    slowStart: { window: 30s, from: 10 }
    panic: 50
    maxConnections: 50000
    maxConnectionsPerBackend: 20000
    connectRate: { perSecond: 500, burst: 10 }
    waitingRoom: { size: 1024, timeout: 5s }
    retries: { attempts: 2, total: 5s, budget: 20, minPerSecond: 10 }
    drainOnRestart: true
  site:
    policy: { sticky: { cookie: site, secret: { env: SITE_COOKIE_SECRET }, otherwise: least-connections } }
    backends: [localhost:4000, localhost:4001]
    health:
      http:
        path: /healthz
        expect:
          status: [200-299]
          headers: { X-Ready: "yes" }
          body: all is well
  rooms:
    policy: { hash: { query: room }, bound: 150% }
    backends: [localhost:5000, localhost:5001]
    health: { tcp: true }
  found:
    discover: { dns: chat.internal:3000, interval: { min: 1s, max: 30s }, resolver: [10.0.0.53] }
  services:
    discover: { srv: _ws._tcp.chat.internal }
  listed:
    discover: { file: ./backends.yaml }
  own:
    backends: [localhost:6000]
    discover: { source: mine }

routes:
  - match:
      host: "*.example.com"
      path: { prefix: /chat }
      headers: { X-Tenant: blue }
    pool: chat
    heartbeat: { interval: 25s, misses: 2, to: both }
    idle: 10m
    maxAge: 12h
  - match:
      path: { exact: /status }
    pool: chat
    policy: round-robin
  - match:
      path: /rooms
    pool: rooms
  - match:
      path: /users
    pool: rooms
    policy: { hash: { header: X-User } }
  - match:
      path: /carts
    pool: rooms
    policy: { hash: { cookie: cart } }
  - match:
      path: /docs
    pool: rooms
    policy: { hash: { pathSegment: 2 } }
  - match:
      path: /app
    pool: site
  - pool: site

trustedProxies: [10.0.0.0/8, "::1"]

admission:
  maxConnections: 100000
  maxConnectionsPerClient: 100
  rate: { perSecond: 2000, burst: 40 }
  ratePerClient: { perSecond: 5, burst: 20 }

timeouts:
  connect: 3s
  requestHead: 10s
  requestBodyIdle: 30s
  response: 60s
  responseBodyIdle: 5m
  upgrade: 10s
  clientIdle: 60s
  backendIdle: 30s
  halfClosed: 10s
  drain: 5m
  shutdown: 10s

limits:
  head: 16KiB
  fields: 100
  clientConnections: 100000
  idleBackendConnections: 128

log:
  level: info
  format: auto
  access: true
\`\`\``
