import { NatsServer } from '../../src/drivers/nats/contract/nats-servers.ts'
import { nats } from '../../src/drivers/nats/nats-driver.ts'
import { BenchNode, quickLease } from '../../src/hub/contract/cluster-rig.ts'
import { freePort } from '../../src/hub/contract/server-process.ts'
import { faultsContract } from './support/faults-contract.ts'

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
      async nodes(namespace) {
        const log = { info() {}, warn() {} }
        const driver = nats(`nats://127.0.0.1:${server.port}`)
        const { registry } = driver.connect({ namespace, lease: quickLease, log })
        const late = new BenchNode('late', registry)
        await late.start()
        const { others } = late
        await registry.close()
        return others
      },
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
