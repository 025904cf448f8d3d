import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { launchNats } from './contract/nats-servers.ts'

clusterContract({
  name: 'NATS that forgets at a restart',
  launch: () => launchNats({ storage: 'memory' }),
  bus: false,
})
