import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { ContractBroker } from '../../../hub/contract/cluster-rig.ts'
import { Ways } from '../../../hub/contract/ways.ts'
import { nats } from '../nats-driver.ts'
import { NatsServer } from './nats-servers.ts'

/** Three servers that are one system, which keep everything on each of them. */
export interface NatsCluster extends ContractBroker {
  /** The one that leads a stream. */
  leader(stream: string): Promise<NatsServer>
}

export async function launchNatsCluster(): Promise<NatsCluster> {
  const servers = await NatsServer.launchThree()
  const ports = servers.map(({ port }) => port)
  await untilReady(ports)
  const ways = await Ways.to(...ports)
  const all = (act: (server: NatsServer) => Promise<void> | void) => async () => {
    await Promise.all(servers.map(act))
  }
  return {
    async leader(stream) {
      const client = await connect({ servers: ports.map((port) => `127.0.0.1:${port}`) })
      const answer = await ask(client, `STREAM.INFO.${stream}`, {})
      await client.close()
      return servers[Number(answer?.cluster?.leader?.slice(1))] as NatsServer
    },
    way: () =>
      ways.way((through) =>
        nats({ servers: ports.map((port) => `nats://127.0.0.1:${through(port)}`), replicas: 3 }),
      ),
    stop: all(({ process }) => process.kill()),
    async start() {
      await all(({ process }) => process.start())()
      await untilReady(ports)
    },
    pause: all(({ process }) => process.pause()),
    resume: all(({ process }) => process.resume()),
    async dispose() {
      await ways.dispose()
      await all((server) => server.dispose())()
    },
  }
}

/**
 * What it takes at most, in milliseconds, until the servers have found each other and each stream has a leader. They wait
 * for 4 to 9 seconds before they choose one who leads them all, then again for each stream, and again when two stood for
 * it at once: mostly 10 together, 23 were seen.
 */
export const readyWithin = 60_000

/** Until the servers have found each other, and each stream has a leader. */
async function untilReady(ports: readonly number[]): Promise<void> {
  const client = await connect({ servers: ports.map((port) => `127.0.0.1:${port}`) })
  try {
    const config = { name: 'ready', subjects: ['ready'], num_replicas: 3, storage: 'memory' }
    for (const deadline = performance.now() + readyWithin; performance.now() < deadline; await sleep(50)) {
      const made = await ask(client, 'STREAM.CREATE.ready', config)
      const { streams } = (await ask(client, 'STREAM.LIST', {})) ?? {}
      if (made?.error === undefined && streams?.every(({ cluster }) => cluster?.leader)) return
    }
    throw new Error('the servers of NATS have not found each other')
  } finally {
    await client.close()
  }
}

interface Answer {
  readonly error?: object
  readonly cluster?: { readonly leader?: string }
  readonly streams?: readonly Answer[]
}

async function ask(client: NatsConnection, verb: string, body: object): Promise<Answer | null> {
  try {
    const answer = await client.request(`$JS.API.${verb}`, JSON.stringify(body), { timeout: 2_000 })
    return answer.json<Answer>()
  } catch {
    return null
  }
}
