import { expect, test } from 'vitest'
import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import { launchNats } from './contract/launch-nats.ts'
import { nats } from './nats-driver.ts'

clusterContract({ name: 'NATS', launch: launchNats })

test.each(['http://host', 'nats://me:hunter2@host:4222', { servers: [] }])(
  'what is no place is refused, and not repeated (%#)',
  (options) => {
    expect(() => nats(options)).toThrow(/^nats: expected/)
    expect(() => nats(options)).not.toThrow(/hunter2/)
  },
)
