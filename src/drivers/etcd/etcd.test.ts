import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Bus, ClusterDriver, Registry } from '../../hub/cluster.ts'
import { combine } from '../../hub/combine.ts'
import { clusterContract } from '../../hub/contract/cluster-contract.ts'
import type { ContractBroker } from '../../hub/contract/cluster-rig.ts'
import { freePort, ServerProcess } from '../../hub/contract/server-process.ts'
import { Ways } from '../../hub/contract/ways.ts'
import { etcd } from './etcd-driver.ts'

/** What `combine` needs beside a registry; nobody starts it here. */
const silent: ClusterDriver = {
  name: 'silent',
  connect: () => ({
    bus: { close: async () => {} } as unknown as Bus,
    registry: null as unknown as Registry,
    history: null,
  }),
}

async function launchEtcd(): Promise<ContractBroker> {
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
    way: () =>
      ways.way((through) =>
        combine({ bus: silent, registry: etcd({ endpoints: `http://127.0.0.1:${through(port)}` }) }),
      ),
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
