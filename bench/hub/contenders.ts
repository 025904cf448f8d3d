import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from '../child.ts'
import { findProgram, findRuntime, packageFolder } from '../runtimes.ts'
import type { DialectName } from './load/dialect.ts'

export const contenderNames = [
  'hub-node',
  'hub-bun',
  'ws-loop',
  'bun-publish',
  'socket.io',
  'gorilla',
] as const
export type ContenderName = (typeof contenderNames)[number]

/** A server that is measured. It prints its port as one JSON line and ends with its standard input. */
export interface Contender {
  readonly name: ContenderName
  readonly version: string
  readonly dialect: DialectName
  /** What its nodes find each other through: nothing, Redis in the works of a cluster, or Redis in all of them. */
  readonly redis: 'never' | 'cluster' | 'always'
  /** @param redisUrl null: on its own */
  command(redisUrl: string | null): Command
}

/** One that cannot be measured here, and why. */
export interface MissingContender {
  readonly name: ContenderName
  readonly missing: string
}

/** Finds the contender on this machine. Builds what has to be built into the folder. */
export function findContender(name: ContenderName, folder: string): Contender | MissingContender {
  try {
    return finders[name](folder)
  } catch (error) {
    return { name, missing: (error as Error).message }
  }
}

const finders: Record<ContenderName, (folder: string) => Contender> = {
  'hub-node': () => ({ ...program('hub-node', 'node', 'fairlead-hub', null), redis: 'cluster' }),
  'hub-bun': () => ({ ...program('hub-bun', 'bun', 'fairlead-hub', null), redis: 'cluster' }),
  'ws-loop': () => program('ws-loop', 'node', 'ws-loop', 'ws'),
  'bun-publish': () => program('bun-publish', 'bun', 'bun-publish', null),
  'socket.io': () => ({
    ...program('socket.io', 'node', 'socket-io', 'socket.io'),
    dialect: 'socket.io',
    redis: 'always',
  }),
  gorilla: buildGorilla,
}

/** A program in `peers/`, around an npm package or a hub or what the runtime has itself. */
function program(
  name: ContenderName,
  runtime: 'node' | 'bun',
  file: string,
  packageName: string | null,
): Contender {
  const binary = findRuntime(runtime)
  if (binary === null)
    throw new Error(`${runtime} is neither among the dependencies (npm ci) nor on the PATH`)
  const path = join(packageFolder, 'bench/hub/peers', `${file}.ts`)
  const what =
    packageName === null ? (file === 'fairlead-hub' ? 'hub' : 'server.publish') : withVersion(packageName)
  const place = `${runtime === 'bun' ? 'Bun' : 'Node'} ${firstLine(binary, ['--version'])}`
  return {
    name,
    version: `${what} on ${place}`,
    dialect: 'plain',
    redis: 'never',
    command: (redisUrl) => ({
      file: binary,
      args: [path, ...(redisUrl === null ? [] : [redisUrl])],
      talks: true,
    }),
  }
}

function withVersion(packageName: string): string {
  const manifest = join(packageFolder, 'node_modules', packageName, 'package.json')
  if (!existsSync(manifest)) throw new Error(`${packageName} is not installed (npm ci)`)
  return `${packageName} ${JSON.parse(readFileSync(manifest, 'utf8')).version}`
}

/** Where Debian puts the sources of Go packages; more places may stand in GOPATH. */
const debianGoPath = '/usr/share/gocode'

function buildGorilla(folder: string): Contender {
  const go = findProgram('go')
  if (go === null) throw new Error('Go is not installed (Debian package golang-go)')
  const goPath = [process.env.GOPATH, debianGoPath].filter(Boolean).join(':')
  if (!goPath.split(':').some((path) => existsSync(join(path, 'src/github.com/gorilla/websocket')))) {
    throw new Error('gorilla/websocket is not installed (Debian package golang-github-gorilla-websocket-dev)')
  }
  const file = join(folder, 'gorilla-hub')
  execFileSync(go, ['build', '-o', file, '.'], {
    cwd: join(packageFolder, 'bench/hub/peers/gorilla-hub'),
    env: { ...process.env, GO111MODULE: 'off', GOPATH: goPath, GOTOOLCHAIN: 'local', CGO_ENABLED: '0' },
    stdio: 'pipe',
    timeout: 120_000,
  })
  return {
    name: 'gorilla',
    version: `gorilla/websocket, ${firstLine(go, ['version']).replace('go version ', '').split(' ')[0]}`,
    dialect: 'plain',
    redis: 'never',
    // One core, as for the others.
    command: () => ({ file, args: [], env: { GOMAXPROCS: '1' }, talks: true }),
  }
}

function firstLine(file: string, args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8' }).split('\n')[0]!.trim()
}
