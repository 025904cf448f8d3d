import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from '../child.ts'
import { findPeer, type MissingPeer, type PeerName } from '../peers.ts'
import { findProgram, findRuntime, packageFolder } from '../runtimes.ts'
import { fairleadConfig, haproxyConfig, nginxConfig, type Places } from './configs.ts'
import type { Storm } from './storm.ts'

/** A proxy as it stands in the storm. */
export interface Contender {
  readonly name: ContenderName
  /** With its version, and what is special about it. */
  readonly title: string
  /** How to start it; writes its config into its folder. */
  command(places: Places, storm: Storm): Command
}

export const contenderNames = [
  'fairlead-bun',
  'fairlead-node',
  'haproxy',
  'haproxy-rate',
  'nginx',
  'nginx-rate',
] as const
export type ContenderName = (typeof contenderNames)[number]

interface Plan {
  readonly peer: PeerName
  /** What is special about it. */
  readonly how: string
  command(places: Places, storm: Storm): Command
}

const plans: Record<ContenderName, Plan> = {
  'fairlead-bun': fairlead('bun'),
  'fairlead-node': fairlead('node'),
  haproxy: haproxy(false, 'maxconn and queue'),
  'haproxy-rate': haproxy(true, 'rate-limit sessions for the whole frontend'),
  nginx: nginx(false, 'max_conns and limit_conn'),
  'nginx-rate': nginx(true, 'limit_req with a burst for the whole server'),
}

/** Finds the contender on this machine. */
export function findContender(name: ContenderName, folder: string): Contender | MissingPeer {
  const { peer, how, command } = plans[name]
  const found = findPeer(peer, folder)
  return 'missing' in found ? found : { name, title: `${found.version}, ${how}`, command }
}

function fairlead(runtime: 'bun' | 'node'): Plan {
  return {
    peer: `fairlead-${runtime}`,
    how: 'connectRate for each backend, waitingRoom',
    command: (places, storm) => {
      const config = written(places, 'fairlead.yaml', fairleadConfig(places, storm))
      const program = join(packageFolder, 'src/cli/main.ts')
      return { file: findRuntime(runtime) as string, args: [program, 'run', '--config', config] }
    },
  }
}

function haproxy(rateLimited: boolean, how: string): Plan {
  return {
    peer: 'haproxy',
    how,
    command: (places, storm) => {
      const config = written(places, 'haproxy.cfg', haproxyConfig(places, storm, rateLimited))
      return { file: findProgram('haproxy') as string, args: ['-db', '-f', config] }
    },
  }
}

function nginx(rateLimited: boolean, how: string): Plan {
  return {
    peer: 'nginx',
    how,
    command: (places, storm) => {
      const config = written(places, 'nginx.conf', nginxConfig(places, storm, rateLimited))
      return { file: findProgram('nginx') as string, args: ['-c', config, '-p', places.folder] }
    },
  }
}

function written({ folder }: Places, name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
