import { describe } from 'vitest'
import { abortContract, closeContract, endContract } from '../../src/net/contract/closing-contract.ts'
import { dataContract, pauseContract } from '../../src/net/contract/data-contract.ts'
import type { SocketPort } from '../../src/net/socket.ts'
import { Chance } from './support/chance.ts'
import { SimNetwork, type Weather } from './support/sim-network.ts'
import { World } from './support/world.ts'

// What needs real kernels, processes and clocks stays with the adapters: listening-contract, load-contract.

/** Events that happen between two turns of the real event loop. */
const eventsPerTurn = 200

/** A simulated port that runs by itself, as fast as the real event loop turns. */
function runningPort(seed: number): SocketPort {
  const world = new World(new Chance(seed), { haste: 0 })
  let running = false
  const turn = (): void => {
    for (let i = 0; i < eventsPerTurn && !world.idle; i++) world.stepNow()
    if (world.violations.length > 0) throw new Error(world.violations.join('\n'))
    running = !world.idle
    if (running) setImmediate(turn)
  }
  world.onWake = () => {
    if (running) return
    running = true
    setImmediate(turn)
  }
  const [KiB, MiB] = [1024, 1024 ** 2]
  const weather: Weather = {
    reads: [16 * KiB, 256 * KiB],
    kernels: [MiB, 4 * MiB],
    dribbling: 0,
    eager: true,
    latency: 0,
  }
  return new SimNetwork(world, weather).port()
}

describe.each([1, 2, 3])('the simulated port with seed %i keeps the contract of real ones', (seed) => {
  const load = async (): Promise<SocketPort> => runningPort(seed)
  dataContract(load)
  pauseContract(load)
  endContract(load)
  closeContract(load)
  abortContract(load)
})
