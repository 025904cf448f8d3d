import { describe } from 'vitest'
import { abortContract, closeContract, endContract } from './contract/closing-contract.ts'
import { connectingContract } from './contract/connecting-contract.ts'
import { dataContract, pauseContract } from './contract/data-contract.ts'
import { listeningContract, unixContract } from './contract/listening-contract.ts'
import { failureContract, loadContract } from './contract/load-contract.ts'
import type { SocketPort } from './socket.ts'

/**
 * Holds an adapter of the socket port to every sentence of `socket.ts`.
 *
 * Both ends of most connections are the adapter's own, so each test checks it twice. What only shows between
 * processes (a failure found by a write, a full backlog, lack of descriptors, idle processor time) runs in
 * helpers, see `contract/peer-process-main.ts`.
 */
export function socketContract(name: string, load: () => Promise<SocketPort>): void {
  describe(`socket port on ${name}`, () => {
    dataContract(load)
    pauseContract(load)
    endContract(load)
    closeContract(load)
    abortContract(load)
    connectingContract(load)
    listeningContract(load)
    unixContract(load)
    failureContract(load)
    loadContract(load)
  })
}
