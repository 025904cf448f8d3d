import { NatsServer } from '../../src/drivers/nats/contract/nats-servers.ts'
import { nats } from '../../src/drivers/nats/nats-driver.ts'
import { BenchNode, quickLease } from '../../src/hub/contract/cluster-rig.ts'
import { faultsContract } from './support/faults-contract.ts'

faultsContract({
  name: 'NATS',
  forgets: false,
  async launch() {
    const server = await NatsServer.launch()
    return {
      kind: 'nats',
      port: server.port,
      stop: () => server.process.kill(),
      start: () => server.process.start(),
      async leftovers(namespace) {
        const log = { info() {}, warn() {} }
        const driver = nats(`nats://127.0.0.1:${server.port}`)
        const { registry } = driver.connect({ namespace, lease: quickLease, log })
        const late = new BenchNode('late', registry)
        await late.start()
        const { others } = late
        await registry.close()
        return others
      },
      dispose: () => server.dispose(),
    }
  },
})
