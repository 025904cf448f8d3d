import type { Cluster } from '../../../hub/cluster.ts'
import type { ContractBroker } from '../../../hub/contract/cluster-rig.ts'
import { MemoryBroker } from '../memory-broker.ts'

/** @param forgetful whether a restart loses leases and histories */
export function launchMemory(forgetful: boolean): () => Promise<ContractBroker> {
  return async () => {
    const broker = new MemoryBroker()
    return {
      way() {
        let cluster: Cluster | null = null
        let isCut = false
        return {
          driver: {
            name: broker.driver.name,
            connect(options) {
              cluster = broker.driver.connect(options)
              if (isCut) broker.cut(cluster)
              return cluster
            },
          },
          cut() {
            isCut = true
            if (cluster !== null) broker.cut(cluster)
          },
          heal() {
            isCut = false
            if (cluster !== null) broker.heal(cluster)
          },
        }
      },
      async stop() {
        broker.stop()
        if (forgetful) broker.forget()
      },
      async start() {
        broker.start()
      },
      async pause() {
        broker.pause()
      },
      async resume() {
        broker.resume()
      },
      async dispose() {},
    }
  }
}
