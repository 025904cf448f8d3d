import { launchEtcd } from '../../src/drivers/etcd/contract/launch-etcd.ts'
import { launchNats } from '../../src/drivers/nats/contract/launch-nats.ts'
import type { ContractBroker } from '../../src/hub/contract/cluster-rig.ts'
import { hubsContract } from '../../src/hub/contract/hubs-contract.ts'

/** Membership in one broker and messages over another: both are away together here. */
async function launchBoth(): Promise<ContractBroker> {
  const nats = await launchNats()
  const etcd = await launchEtcd(() => nats.way())
  const both = async (act: (broker: ContractBroker) => Promise<void>) =>
    void (await Promise.all([act(nats), act(etcd)]))
  return {
    way: () => etcd.way(),
    stop: () => both((broker) => broker.stop()),
    start: () => both((broker) => broker.start()),
    pause: () => both((broker) => broker.pause()),
    resume: () => both((broker) => broker.resume()),
    dispose: () => both((broker) => broker.dispose()),
  }
}

hubsContract('NATS with membership in etcd', launchBoth)
