import { describe, test } from 'vitest'
import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { isInstalled, launchValkey } from './contract/redis-servers.ts'

if (isInstalled('valkey-server')) clusterContract({ name: 'one Valkey', launch: launchValkey })
else describe('the cluster port on one Valkey', () => test.skip('no valkey-server is installed', () => {}))
