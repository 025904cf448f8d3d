import { hubsContract } from '../../hub/contract/hubs-contract.ts'
import { launchMemory } from './contract/launch-memory.ts'

hubsContract('memory', launchMemory(false))
