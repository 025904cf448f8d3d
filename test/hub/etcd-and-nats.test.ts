import { EtcdServer } from '../../src/drivers/etcd/contract/etcd-servers.ts'
import { etcd } from '../../src/drivers/etcd/etcd-driver.ts'
import { NatsServer } from '../../src/drivers/nats/contract/nats-servers.ts'
import { nats } from '../../src/drivers/nats/nats-driver.ts'
import { combine } from '../../src/hub/combine.ts'
import { clusterContract } from '../../src/hub/contract/cluster-contract.ts'
import type { ContractBroker } from '../../src/hub/contract/cluster-rig.ts'
import { hubsContract } from '../../src/hub/contract/hubs-contract.ts'
import { Ways } from '../../src/hub/contract/ways.ts'

async function launch(): Promise<ContractBroker> {
  const [etcds, natses] = await Promise.all([EtcdServer.launch(), NatsServer.launch()])
  const both = [etcds.process, natses.process]
  const ways = await Ways.to(etcds.port, natses.port)
  return {
    way: () =>
      ways.way((through) =>
        combine({
          bus: nats(`nats://127.0.0.1:${through(natses.port)}`),
          registry: etcd(`http://127.0.0.1:${through(etcds.port)}`),
        }),
      ),
    stop: async () => void (await Promise.all(both.map((server) => server.kill()))),
    start: async () => void (await Promise.all(both.map((server) => server.start()))),
    pause: async () => void (await Promise.all(both.map((server) => server.pause()))),
    async resume() {
      for (const server of both) server.resume()
    },
    async dispose() {
      await ways.dispose()
      await Promise.all([etcds.dispose(), natses.dispose()])
    },
  }
}

clusterContract({ name: 'nodes in etcd, messages over NATS', launch })
hubsContract('NATS with nodes in etcd', launch)
