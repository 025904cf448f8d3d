import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { launchServer } from './contract/redis-servers.ts'

clusterContract({
  name: 'one Redis that keeps what it has',
  launch: () => launchServer('--appendonly', 'yes'),
})
