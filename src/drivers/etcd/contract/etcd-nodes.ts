import { randomBytes } from 'node:crypto'
import type { LeaseTimes } from '../../../hub/cluster.ts'
import { BenchNode, patience, quickLease } from '../../../hub/contract/cluster-rig.ts'
import { etcd } from '../etcd-driver.ts'
import type { EtcdOptions } from '../etcd-options.ts'

/** Registries of one namespace. */
export class Nodes implements AsyncDisposable {
  readonly lines: string[] = []
  readonly namespace = `t${randomBytes(6).toString('hex')}`
  readonly #nodes: BenchNode[] = []
  readonly #lease: LeaseTimes

  constructor(lease: LeaseTimes = quickLease) {
    this.#lease = lease
  }

  make(id: string, options: string | EtcdOptions): BenchNode {
    const note = (fields: object, message: string) => {
      this.lines.push(`${message} ${JSON.stringify(fields)}`)
    }
    const log = { info: note, warn: note }
    const { registry } = etcd(options).connect({ namespace: this.namespace, lease: this.#lease, log })
    const node = new BenchNode(id, registry)
    this.#nodes.push(node)
    return node
  }

  async start(id: string, options: string | EtcdOptions, milliseconds = patience): Promise<BenchNode> {
    const node = this.make(id, options)
    await node.start(milliseconds)
    return node
  }

  seeAll(): boolean {
    return this.#nodes.every(({ others }) => others.length === this.#nodes.length - 1)
  }

  told(pattern: RegExp): string[] {
    return this.#nodes.flatMap(({ told }) => told).filter((line) => pattern.test(line))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map(({ registry }) => registry.close()))
  }
}
