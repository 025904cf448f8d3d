import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { launchCluster } from './contract/redis-servers.ts'

clusterContract({ name: 'a Redis Cluster of three that forgets at a restart', launch: launchCluster })
