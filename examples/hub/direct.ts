/**
 * A message to one given connection, by its id. With a cluster (cluster.ts) it goes straight to the server that has it.
 *
 *     node examples/hub/direct.ts [port]           or: bun examples/hub/direct.ts [port]
 *     npx wscat -c ws://127.0.0.1:8080             then say: <id of another> <text>
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { clusterFrom } from './cluster.ts'
import { serve } from './serve.ts'

const hub = createHub({ cluster: clusterFrom(process.env) })

hub.on('connection', (connection) => {
  connection.send(`you are ${connection.id}`)
})

hub.on('message', async ({ connection, data }) => {
  const [, id, text] = /^([\w.-]{1,200}) (.+)$/s.exec(String(data)) ?? []
  if (id === undefined || text === undefined) {
    connection.send('expected: <id> <text>')
    return
  }
  const { status } = await hub.connection(id).send(`${connection.id}: ${text}`)
  const { total } = await hub.connection(id).count()
  connection.send(total === 0 ? `nobody is ${id}` : `${id} is there: ${status}`)
})

await serve(hub, ' and say: <id of another> <text>.')
