import { hubsContract } from '../../hub/contract/hubs-contract.ts'
import { launchNats } from './contract/launch-nats.ts'

hubsContract('NATS', launchNats)
