import type { ClusterDriver } from '../../../src/hub/cluster.ts'
import { BenchNode, quickLease } from '../../../src/hub/contract/cluster-rig.ts'

/** Nodes of a namespace that a broker knows of, as one finds them that comes now. */
export async function knownNodes(driver: ClusterDriver, namespace: string): Promise<readonly string[]> {
  const log = { info() {}, warn() {} }
  const { registry } = driver.connect({ namespace, lease: quickLease, log })
  const late = new BenchNode('late', registry)
  await late.start()
  const { others } = late
  await registry.close()
  return others
}
