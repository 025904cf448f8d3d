import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { launchMemory } from './contract/launch-memory.ts'

clusterContract({ name: 'memory', launch: launchMemory(false) })
clusterContract({ name: 'memory that forgets at a restart', launch: launchMemory(true) })
