import { hubsContract } from '../../hub/contract/hubs-contract.ts'
import { launchNats } from './contract/nats-servers.ts'

hubsContract('NATS', launchNats)
