import { PeerProcess } from '../../../src/net/contract/peer-process.ts'
import type { Stage } from './stage.ts'
import { Wire } from './wire.ts'

/** The address of a port on loopback that takes no more connections: who connects there hears nothing. */
export async function blackHole(stage: Stage): Promise<string> {
  const peer = await PeerProcess.start('full')
  stage.add(() => peer[Symbol.asyncDispose]())
  const port = Number(await peer.line())
  // A few fit into the queue of the blocked listener.
  for (;;) {
    const attempt = Wire.to(port).then((wire) => {
      stage.add(() => wire.close())
      return true
    })
    attempt.catch(() => {})
    const fits = await Promise.race([attempt, stillWaiting()])
    if (!fits) return `127.0.0.1:${port}`
  }
}

async function stillWaiting(): Promise<false> {
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
  return false
}
