import { afterAll, beforeAll, describe } from 'vitest'
import { busContract } from './bus-contract.ts'
import type { ContractBroker, ContractSubject } from './cluster-rig.ts'
import { historyContract } from './history-contract.ts'
import { registryContract } from './registry-contract.ts'

/** Holds a driver to every sentence of `hub/cluster.ts`, against the real server. */
export function clusterContract(subject: ContractSubject): void {
  describe(`the cluster port on ${subject.name}`, () => {
    let broker: ContractBroker
    beforeAll(async () => {
      broker = await subject.launch()
    }, 90_000)
    afterAll(() => broker.dispose(), 30_000)
    const get = () => broker

    if (subject.bus !== false) describe('the bus', () => busContract(get))
    if (subject.registry !== false) describe('the registry', () => registryContract(get))
    if (subject.history !== false) describe('the history', () => historyContract(get))
  })
}
