import { expect, test } from 'vitest'
import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { launchEtcd } from './contract/launch-etcd.ts'
import { etcd } from './etcd-driver.ts'

clusterContract({ name: 'etcd', launch: launchEtcd, bus: false, history: false })

test.each([
  { endpoints: [] },
  { endpoints: 'redis://host' },
  { endpoints: 'http://me:hunter2@host:2379' },
  { endpoints: 'http://host:2379', username: 'me' },
])('what is no place is refused, and not repeated (%#)', (options) => {
  expect(() => etcd(options)).toThrow(/^etcd: expected/)
  expect(() => etcd(options)).not.toThrow(/hunter2/)
})
