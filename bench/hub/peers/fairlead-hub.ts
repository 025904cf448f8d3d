/** A hub, on Node and on Bun, alone or in a cluster over the Redis server whose URL follows. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHub } from '../../../src/hub.ts'
import { redis } from '../../../src/redis.ts'
import { publicationOf, type Role, roleOf, room, serve } from '../roles.ts'

const [redisUrl] = process.argv.slice(2)
const hub = createHub<Role>({
  authenticate: ({ url }) => ({ data: roleOf(url) }),
  ...(redisUrl === undefined ? {} : { cluster: redis(redisUrl) }),
})

hub.on('connection', (connection) => {
  if (connection.data === 'member') connection.join(room)
})
hub.on('message', ({ connection, data }) => {
  if (connection.data !== 'publisher') {
    connection.send(data)
    return
  }
  const { times, text } = publicationOf(data.toString())
  for (let i = 0; i < times; i++) void hub.room(room).send(text)
})

if (!(await hub.start())) throw new Error('the hub has not joined its cluster')
if ('Bun' in globalThis) {
  const { fetch, websocket } = hub
  serve(Bun.serve({ hostname: '127.0.0.1', port: 0, fetch, websocket }).port as number)
} else {
  const server = createServer()
  hub.attach(server)
  server.listen(0, '127.0.0.1', 4096, () => serve((server.address() as AddressInfo).port))
}
