/**
 * Everybody sees who is there: each user once, however many tabs are open, and a reload of the page shows nothing.
 *
 *     node examples/hub/presence.ts [port]         or: bun examples/hub/presence.ts [port]
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=ann'
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { clusterFrom } from './cluster.ts'
import { serve } from './serve.ts'
import { authenticate } from './who.ts'

const hub = createHub({
  cluster: clusterFrom(process.env),
  presenceGrace: '2s',
  rooms: { lobby: { presence: true } },
  authenticate,
})

hub.on('connection', async (connection) => {
  connection.join('lobby')
  const { users, next } = await hub.room('lobby').presence.list({ limit: 50 })
  connection.send(`here: ${users.join(', ')}${next === null ? '' : ' and more'}`)
})

// Told on every server, so each tells its own clients.
const tell = (text: string) => {
  for (const connection of hub.connections()) connection.send(text)
}
hub.on('userJoined', ({ user }) => tell(`${user} came`))
hub.on('userLeft', ({ user }) => tell(`${user} went`))

await serve(hub, '/?user=you and see who is there.')
