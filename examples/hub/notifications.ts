/**
 * A message to a user reaches all of the user's devices; with a cluster (cluster.ts), on whichever server they are.
 *
 *     node examples/hub/notifications.ts [port]    or: bun examples/hub/notifications.ts [port]
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=ann'
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=bob'     then say: ann dinner is ready
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { clusterFrom } from './cluster.ts'
import { serve } from './serve.ts'
import { authenticate } from './who.ts'

const hub = createHub({ cluster: clusterFrom(process.env), authenticate })

hub.on('message', async ({ connection, data }) => {
  const [, to, text] = /^([\w.-]{1,64}) (.+)$/s.exec(String(data)) ?? []
  if (to === undefined || text === undefined) {
    connection.send('expected: <user> <text>')
    return
  }
  const { total, missing } = await hub.user(to).count()
  await hub.user(to).send(`${connection.user}: ${text}`)
  const unknown = missing.length === 0 ? '' : `, and ${missing.length} servers did not answer`
  connection.send(`${to} has ${total} devices${unknown}`)
})

await serve(hub, '/?user=you and say: <user> <text>.')
