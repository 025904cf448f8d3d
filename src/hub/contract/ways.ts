import type { ContractWay } from './cluster-rig.ts'
import { TcpProxy } from './tcp-proxy.ts'

/** More than any test takes at once. */
const spareWays = 32

/** Ways through proxies of their own. Some are always ready, since a way has to be there at once. */
export class Ways {
  readonly #ports: readonly number[]
  readonly #spare: ReadonlyMap<number, TcpProxy>[] = []
  readonly #all: TcpProxy[] = []

  private constructor(ports: readonly number[]) {
    this.#ports = ports
  }

  static async to(...ports: number[]): Promise<Ways> {
    const ways = new Ways(ports)
    await Promise.all(Array.from({ length: spareWays }, () => ways.#prepare()))
    return ways
  }

  /** @param make makes the driver with the port that stands for each port of a server */
  way(make: (through: (port: number) => number) => ContractWay['driver']): ContractWay {
    const proxies = this.#spare.shift()
    if (proxies === undefined) throw new Error('more ways at once than are ready')
    void this.#prepare()
    const each = (act: (proxy: TcpProxy) => void) => () => {
      for (const proxy of proxies.values()) act(proxy)
    }
    return {
      driver: make((port) => proxies.get(port)?.port ?? port),
      cut: each((proxy) => proxy.cut()),
      heal: each((proxy) => proxy.heal()),
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#all.map((proxy) => proxy.close()))
  }

  async #prepare(): Promise<void> {
    const made = await Promise.all(this.#ports.map(async (port) => [port, await TcpProxy.to(port)] as const))
    this.#all.push(...made.map(([, proxy]) => proxy))
    this.#spare.push(new Map(made))
  }
}
