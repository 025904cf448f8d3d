/**
 * The same as fairlead.yaml, in TypeScript: for settings that depend on something.
 *
 *     fairlead check -c examples/fairlead.config.ts
 */
import { defineConfig } from '../src/index.ts' // in a project of your own: 'fairlead'

const production = process.env.NODE_ENV === 'production'

export default defineConfig({
  listen: [{ port: 8080 }],
  pools: {
    chat: {
      policy: 'round-robin',
      backends: ['127.0.0.1:3001', { address: '127.0.0.1:3002', weight: 2 }],
    },
    site: { backends: ['127.0.0.1:4000'] },
  },
  routes: [{ match: { path: '/chat' }, pool: 'chat' }, { pool: 'site' }],
  timeouts: { connect: '1s', shutdown: production ? '30s' : '1s' },
  log: { level: production ? 'info' : 'debug' },
})
