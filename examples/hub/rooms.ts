/**
 * Clients come into rooms and leave them as they like. With a cluster (cluster.ts) a room is on all servers.
 *
 *     node examples/hub/rooms.ts [port]            or: bun examples/hub/rooms.ts [port]
 *     npx wscat -c ws://127.0.0.1:8080             then: join red, say red hello, leave red
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { clusterFrom } from './cluster.ts'
import { serve } from './serve.ts'

const hub = createHub({ cluster: clusterFrom(process.env) })

hub.on('message', async ({ connection, data }) => {
  const [, what, name, text = ''] = /^(join|leave|say) ([\w-]{1,64})(?: (.+))?$/s.exec(String(data)) ?? []
  if (name === undefined) {
    connection.send('expected: join <room>, leave <room> or say <room> <text>')
    return
  }
  const room = hub.room(name)
  if (what === 'join') connection.join(name)
  if (what === 'leave') connection.leave(name)
  if (what === 'say') await room.send(`${name}: ${text}`, { except: connection })
  const { total } = await room.count()
  connection.send(`you are ${connection.rooms.has(name) ? 'in' : 'outside'} ${name}, where ${total} are`)
})

await serve(hub, ' and say: join <room>, leave <room> or say <room> <text>.')
