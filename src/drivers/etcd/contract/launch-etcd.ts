import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bus, ClusterDriver, Registry } from '../../../hub/cluster.ts'
import { combine } from '../../../hub/combine.ts'
import type { ContractBroker, ContractWay } from '../../../hub/contract/cluster-rig.ts'
import { freePort, ServerProcess } from '../../../hub/contract/server-process.ts'
import { Ways } from '../../../hub/contract/ways.ts'
import { etcd } from '../etcd-driver.ts'

/** What `combine` needs beside a registry; nobody starts it here. */
const silent: ClusterDriver = {
  name: 'silent',
  connect: () => ({
    bus: { close: async () => {} } as unknown as Bus,
    registry: null as unknown as Registry,
    history: null,
  }),
}

const silentWay: ContractWay = { driver: silent, cut() {}, heal() {} }

/** @param busOf what carries messages for one node; without it nothing does */
export async function launchEtcd(busOf: () => ContractWay = () => silentWay): Promise<ContractBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-etcd-'))
  const [port, peer] = [await freePort(), await freePort()]
  const [client, peers] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peer}`]
  const args = ['--data-dir', folder, '--listen-client-urls', client, '--advertise-client-urls', client]
  args.push('--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers)
  args.push('--initial-cluster', `default=${peers}`)
  const server = new ServerProcess('etcd', args, async () => {
    const answer = await fetch(`${client}/health`, { signal: AbortSignal.timeout(1_000) }).catch(() => null)
    return answer?.ok === true && (await answer.text()).includes('true')
  })
  await server.start()
  const ways = await Ways.to(port)
  return {
    way() {
      const bus = busOf()
      const way = ways.way((through) =>
        combine({ bus: bus.driver, registry: etcd({ endpoints: `http://127.0.0.1:${through(port)}` }) }),
      )
      return {
        driver: way.driver,
        cut() {
          way.cut()
          bus.cut()
        },
        heal() {
          way.heal()
          bus.heal()
        },
      }
    },
    stop: () => server.kill(),
    start: () => server.start(),
    pause: async () => server.pause(),
    resume: async () => server.resume(),
    async dispose() {
      await ways.dispose()
      await server.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
