import { NatsServer } from '../../src/drivers/nats/contract/nats-servers.ts'
import { nats } from '../../src/drivers/nats/nats-driver.ts'
import { freePort } from '../../src/hub/contract/server-process.ts'
import { faultsContract } from './support/faults-contract.ts'
import { knownNodes } from './support/known-nodes.ts'

faultsContract({
  name: 'NATS',
  forgets: false,
  brief: true,
  async launch() {
    const monitor = await freePort()
    const server = await NatsServer.launch(`http: "127.0.0.1:${monitor}"`)
    return {
      kind: 'nats',
      port: server.port,
      stop: () => server.process.kill(),
      start: () => server.process.start(),
      nodes: (namespace) => knownNodes(nats(`nats://127.0.0.1:${server.port}`), namespace),
      async subscriptions(namespace) {
        const answer = await fetch(`http://127.0.0.1:${monitor}/connz?subs=1`)
        const { connections } = (await answer.json()) as { connections: { subscriptions_list?: string[] }[] }
        const all = connections.flatMap(({ subscriptions_list: subjects = [] }) => subjects)
        return all.filter((subject) => subject.includes(namespace)).map(decodeURIComponent)
      },
      dispose: () => server.dispose(),
    }
  },
})
