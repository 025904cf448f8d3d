/**
 * Every client gets back what it sends.
 *
 *     node examples/hub/echo.ts [port]             or: bun examples/hub/echo.ts [port]
 *     npx wscat -c ws://127.0.0.1:8080
 */
import { createHub } from '../../src/hub.ts' // in a project of your own: 'fairlead/hub'
import { serve } from './serve.ts'

const hub = createHub()
hub.on('message', ({ connection, data }) => {
  connection.send(data)
})

await serve(hub, ' and say something.')
