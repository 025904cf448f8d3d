import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContractBroker } from '../../../hub/contract/cluster-rig.ts'
import { freePort, ServerProcess } from '../../../hub/contract/server-process.ts'
import { Ways } from '../../../hub/contract/ways.ts'
import { nats } from '../nats-driver.ts'

/** One real server with JetStream, with its own folder and port. */
export async function launchNats(): Promise<ContractBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-nats-'))
  const port = await freePort()
  const args = ['--addr', '127.0.0.1', '--port', `${port}`, '--jetstream', '--store_dir', folder]
  const server = new ServerProcess('nats-server', args, () => greets(port))
  await server.start()
  const ways = await Ways.to(port)
  return {
    way: () => ways.way((through) => nats(`nats://127.0.0.1:${through(port)}`)),
    stop: () => server.kill(),
    start: () => server.start(),
    pause: async () => server.pause(),
    resume: async () => server.resume(),
    async dispose() {
      await ways.dispose()
      await server.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A server says who it is before it is asked. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(1_000, () => socket.destroy())
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(false))
    socket.once('data', (chunk) => {
      resolve(String(chunk).startsWith('INFO'))
      socket.destroy()
    })
  })
}
