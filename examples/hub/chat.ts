/**
 * A chat in which whoever comes back gets what was said meanwhile. With REDIS_URL it is one chat, however many of this
 * program run.
 *
 *     node examples/hub/chat.ts [port]             or: bun examples/hub/chat.ts [port]
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=ann'
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=ann&epoch=...&offset=...'     from where it was
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { redis } from '../../src/redis.ts' // 'fairlead/redis'
import { serve } from './serve.ts'

const { REDIS_URL } = process.env

const hub = createHub({
  cluster: REDIS_URL === undefined ? undefined : redis(REDIS_URL),
  rooms: {
    lobby: {
      history: {
        size: 1000,
        age: '1d',
        stamp: (data, position) => JSON.stringify({ ...position, text: String(data) }),
      },
    },
  },
  // A real program looks at a cookie or a token here.
  authenticate({ url }) {
    const query = new URL(url, 'ws://host').searchParams
    const user = query.get('user')
    if (user === null) return { status: 401, reason: 'say who you are: ?user=' }
    const epoch = query.get('epoch')
    return { user, data: { since: epoch === null ? null : { epoch, offset: Number(query.get('offset')) } } }
  },
})

hub.on('connection', async (connection) => {
  connection.on('message', async (data) => {
    const { status } = await hub.room('lobby').send(`${connection.user}: ${data}`)
    if (status !== 'relayed') connection.send('{"text":"(others may not see this)"}')
  })
  const { complete } = await connection.join('lobby', { since: connection.data.since })
  if (!complete) connection.send('{"text":"(something in between is gone)"}')
})

await serve(hub, '/?user=you and say something.')
