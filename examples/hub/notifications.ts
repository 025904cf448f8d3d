/**
 * A message to a user reaches all of the user's devices. With REDIS_URL, on whichever server they are.
 *
 *     node examples/hub/notifications.ts [port]    or: bun examples/hub/notifications.ts [port]
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=ann'
 *     npx wscat -c 'ws://127.0.0.1:8080/?user=bob'     then say: ann dinner is ready
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { redis } from '../../src/redis.ts' // 'fairlead/redis'
import { serve } from './serve.ts'

const { REDIS_URL } = process.env

const hub = createHub({
  cluster: REDIS_URL === undefined ? undefined : redis(REDIS_URL),
  // A real program looks at a cookie or a token here.
  authenticate({ url }) {
    const user = new URL(url, 'ws://host').searchParams.get('user')
    return user === null ? { status: 401, reason: 'say who you are: ?user=' } : { user, data: undefined }
  },
})

hub.on('message', async ({ connection, data }) => {
  const [, to, text] = /^(\S{1,128}) (.+)$/s.exec(String(data)) ?? []
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
