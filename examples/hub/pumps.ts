/**
 * The read pump and the write pump of a chat server, which are options here. What one client says, all others get; who
 * reads too slowly is closed with 4008, and nobody waits for it.
 *
 *     node examples/hub/pumps.ts [port]            or: bun examples/hub/pumps.ts [port]
 *     npx wscat -c ws://127.0.0.1:8080
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { clusterFrom } from './cluster.ts'
import { serve } from './serve.ts'

const hub = createHub({
  cluster: clusterFrom(process.env),

  // The read pump: one message after the other, none larger than this, and nothing is read from a socket while so many
  // of its messages wait to be handled. A peer that answers no ping has gone.
  maxMessage: '64KiB',
  receiveQueue: { messages: 16, bytes: '256KiB' },
  heartbeat: { interval: '25s', timeout: '8s' },

  // The write pump: what a peer has not taken waits here. `drop-oldest`, `drop-newest` and `conflate` are other ways.
  sendQueue: { limit: '256KiB', whenFull: 'close' },
})

hub.on('message', ({ connection, data }) => void hub.everybody.send(data, { except: connection }))

hub.on('slowConsumer', ({ connection, queuedBytes, whenFull }) => {
  console.error(`${connection.id} does not keep up, ${queuedBytes} bytes wait for it: ${whenFull}`)
})
hub.on('close', ({ connection, code, by }) => console.error(`${connection.id} has gone: ${code} by ${by}`))

await serve(hub, ' and say something.')
