import { hubsContract } from '../../hub/contract/hubs-contract.ts'
import { launchCluster, launchServer } from './contract/redis-servers.ts'

hubsContract('Redis', launchServer)
hubsContract('Redis Cluster', launchCluster)
