import { hubsContract } from '../../hub/contract/hubs-contract.ts'
import { launchServer } from './contract/redis-servers.ts'

hubsContract('Redis', launchServer)
