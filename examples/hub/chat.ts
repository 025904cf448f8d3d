/**
 * A chat in which whoever comes back gets what was said meanwhile. With a cluster (cluster.ts) it is one chat, however
 * many of this program run. A client keeps the `epoch` and `offset` of the last line it got, and comes back with them.
 *
 *     node examples/hub/chat.ts [port]             or: bun examples/hub/chat.ts [port]
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=ann'
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=ann&epoch=...&offset=...'     from where it was
 */
import { createHub, type Position } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { clusterFrom } from './cluster.ts'
import { serve } from './serve.ts'
import { authenticate } from './who.ts'

const line = (position: Position | null, text: string) => JSON.stringify({ ...position, text })

const hub = createHub({
  cluster: clusterFrom(process.env),
  rooms: {
    lobby: {
      history: { size: 1000, age: '1d', stamp: (data, position) => line(position, String(data)) },
    },
  },
  authenticate(request) {
    const verdict = authenticate(request)
    const since = positionIn(request.url)
    if ('status' in verdict) return verdict
    if (since === undefined) return { status: 400, reason: 'expected &epoch=...&offset=... as it was sent' }
    return { user: verdict.user, data: { since } }
  },
})

hub.on('connection', async (connection) => {
  // Waits until the line is kept, so that nobody says more than the broker can keep: the client's next one waits.
  connection.on('message', async (data) => {
    const { status } = await hub.room('lobby').send(`${connection.user}: ${data}`)
    if (status !== 'relayed') connection.send(line(null, '(others may not see this)'))
  })
  const { position, complete } = await connection.join('lobby', { since: connection.data.since })
  // Where the room is now. Without it a client that leaves before anybody speaks would not know what it missed.
  connection.send(line(position, complete ? '(welcome)' : '(something in between is gone)'))
})

/** Null for one that is new, undefined for nonsense. */
function positionIn(url: string): Position | null | undefined {
  const query = new URL(url, 'ws://host').searchParams
  const [epoch, offset] = [query.get('epoch'), query.get('offset')]
  if (epoch === null && offset === null) return null
  if (epoch === null || epoch.length > 128 || offset === null || !/^\d{1,15}$/.test(offset)) return undefined
  return { epoch, offset: Number(offset) }
}

await serve(hub, '/?user=you and say something.')
