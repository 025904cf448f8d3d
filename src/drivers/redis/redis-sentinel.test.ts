import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { launchSentinel } from './contract/redis-servers.ts'

// The registry lives on the same requests as the history; redis-faults.test.ts takes it through a failover.
clusterContract({ name: 'a Redis master behind a sentinel', launch: launchSentinel, registry: false })
