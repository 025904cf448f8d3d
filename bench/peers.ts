import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from './child.ts'
import { haproxyConfig, nginxConfig } from './peer-configs.ts'
import { findProgram, findRuntime, packageFolder } from './runtimes.ts'
import { type WorkName, workNames } from './work-names.ts'

/** What is measured: a proxy that can be started in front of the backend. */
export interface Peer {
  readonly name: PeerName
  readonly version: string
  /** What it can be measured with. @default everything */
  readonly works?: readonly WorkName[]
  /** How to start it; may write its config into the folder, which is its own. */
  command(port: number, backendPort: number, folder: string): Command
}

export const peerNames = [
  'haproxy',
  'fairlead-bun',
  'fairlead-node',
  'nginx',
  'http-proxy-3',
  'http-proxy-3-default',
  'go',
  'ws-relay',
] as const
export type PeerName = (typeof peerNames)[number]

/** A peer that cannot be measured here, and why. */
export interface MissingPeer {
  readonly name: PeerName
  readonly missing: string
}

/** Finds the peer on this machine. Builds what has to be built into the folder. */
export function findPeer(name: PeerName, folder: string): Peer | MissingPeer {
  try {
    return finders[name](folder)
  } catch (error) {
    return { name, missing: (error as Error).message }
  }
}

const finders: Record<PeerName, (folder: string) => Peer> = {
  haproxy: findHaproxy,
  nginx: findNginx,
  go: buildGoProxy,
  'http-proxy-3': () => findNodeProgram('http-proxy-3', 'http-proxy-3', ['keep-alive']),
  // Without an agent each request opens a connection to the backend; the rest is the same as with one.
  'http-proxy-3-default': () => ({
    ...findNodeProgram('http-proxy-3-default', 'http-proxy-3', ['no-agent']),
    works: ['http'],
  }),
  'ws-relay': () => ({
    ...findNodeProgram('ws-relay', 'ws', []),
    works: workNames.filter((name) => name !== 'http'),
  }),
  'fairlead-bun': () => findFairlead('bun'),
  'fairlead-node': () => findFairlead('node'),
}

function findHaproxy(): Peer {
  const file = programOrThrow('haproxy', 'HAProxy is not installed (Debian package haproxy)')
  const version = /version (\S+)/.exec(firstLine(file, ['-v']))?.[1] ?? 'unknown'
  return {
    name: 'haproxy',
    version: `HAProxy ${version}`,
    command(port, backendPort, folder) {
      const config = join(folder, 'haproxy.cfg')
      writeFileSync(config, haproxyConfig(port, backendPort))
      return { file, args: ['-db', '-f', config] }
    },
  }
}

function findNginx(): Peer {
  const file = programOrThrow('nginx', 'nginx is not installed (Debian package nginx-light)')
  return {
    name: 'nginx',
    version: firstLine(file, ['-v']).replace('nginx version: nginx/', 'nginx '),
    command(port, backendPort, folder) {
      const config = join(folder, 'nginx.conf')
      writeFileSync(config, nginxConfig(port, backendPort, folder))
      return { file, args: ['-c', config, '-p', folder] }
    },
  }
}

function buildGoProxy(folder: string): Peer {
  const go = programOrThrow('go', 'Go is not installed')
  const file = join(folder, 'go-proxy')
  execFileSync(go, ['build', '-o', file, '.'], {
    cwd: join(packageFolder, 'bench/peers/go-proxy'),
    env: { ...process.env, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', GOPROXY: 'off', CGO_ENABLED: '0' },
    stdio: 'pipe',
    timeout: 120_000,
  })
  return {
    name: 'go',
    version: `httputil.ReverseProxy, ${firstLine(go, ['version']).replace('go version ', '').split(' ')[0]}`,
    // One core, as for the others.
    command: (port, backendPort) => ({ file, args: [`${port}`, `${backendPort}`], env: { GOMAXPROCS: '1' } }),
  }
}

/** A program in bench/peers around an npm package; `args` follow the two ports. */
function findNodeProgram(name: PeerName, packageName: 'http-proxy-3' | 'ws', args: readonly string[]): Peer {
  const file = runtimeOrThrow('node')
  const manifest = join(packageFolder, 'node_modules', packageName, 'package.json')
  if (!existsSync(manifest)) throw new Error(`${packageName} is not installed (npm ci)`)
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'))
  const program = join(packageFolder, 'bench/peers', packageName === 'ws' ? 'ws-relay.ts' : 'http-proxy-3.ts')
  return {
    name,
    version: `${[packageName, version, ...args].join(' ')} on Node ${firstLine(file, ['--version'])}`,
    command: (port, backendPort) => ({ file, args: [program, `${port}`, `${backendPort}`, ...args] }),
  }
}

function findFairlead(runtime: 'node' | 'bun'): Peer {
  const file = runtimeOrThrow(runtime)
  const program = join(packageFolder, 'src/cli/main.ts')
  if (!existsSync(program)) throw new Error('the fairlead command does not exist yet')
  const version = `Fairlead on ${runtime === 'bun' ? 'Bun' : 'Node'} ${firstLine(file, ['--version'])}`
  return {
    name: `fairlead-${runtime}`,
    version,
    command: (port, backendPort) => ({
      file,
      args: [
        program,
        'proxy',
        '--listen',
        `${port}`,
        '--to',
        `127.0.0.1:${backendPort}`,
        '--log-level',
        'warn',
      ],
    }),
  }
}

function programOrThrow(name: string, message: string): string {
  const file = findProgram(name)
  if (file === null) throw new Error(message)
  return file
}

function runtimeOrThrow(name: 'node' | 'bun'): string {
  const file = findRuntime(name)
  if (file === null) throw new Error(`${name} is neither among the dependencies (npm ci) nor on the PATH`)
  return file
}

/** Some print their version to standard error. */
function firstLine(file: string, args: readonly string[]): string {
  const script = `exec "$0" "$@" 2>&1`
  return execFileSync('sh', ['-c', script, file, ...args], { encoding: 'utf8' })
    .split('\n')[0]!
    .trim()
}
