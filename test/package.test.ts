import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = resolve(fileURLToPath(import.meta.url), '../..')
const binaries = join(root, 'node_modules/.bin')
const runtimes = ['node', 'bun']
const entries = ['', '/cluster', '/etcd', '/hub', '/nats', '/redis'].map((path) => `fairlead${path}`)

interface Manifest {
  readonly version: string
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
}

/** The package as npm would publish it, built into a folder of its own and installed by a stranger. */
describe('the published package', () => {
  // `stage` is what is packed; `stranger` is a project that has it in node_modules.
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-package-'))
  const stage = join(folder, 'stage')
  const stranger = join(folder, 'stranger')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  let packed: readonly string[] = []

  beforeAll(() => {
    mkdirSync(stage)
    for (const name of ['package.json', 'README.md', 'LICENSE', 'docs']) {
      if (existsSync(join(root, name))) cpSync(join(root, name), join(stage, name), { recursive: true })
    }
    run(join(binaries, 'node'), [join(root, 'scripts/build.mjs'), '--out', join(stage, 'dist')], root)
    // Without scripts: prepack would build the repository's own dist.
    const report = run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], stage)
    packed = filesOf(JSON.parse(report))
    symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
    mkdirSync(join(stranger, 'node_modules/@types'), { recursive: true })
    symlinkSync(stage, join(stranger, 'node_modules/fairlead'))
    symlinkSync(join(root, 'node_modules/@types/node'), join(stranger, 'node_modules/@types/node'))
    writeFileSync(join(stranger, 'package.json'), '{ "type": "module" }')
  }, 60_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('holds the product and its docs, and no source, test or benchmark', () => {
    expect(packed).toContain('package.json')
    expect(packed).toContain('LICENSE')
    expect(packed).toContain('README.md')
    expect(packed).toContain('dist/index.js')
    expect(
      packed.filter((file) => !/^(dist|docs)\/|^(package\.json|LICENSE|README\.md)$/.test(file)),
    ).toEqual([])
    expect(packed.filter((file) => /\.test\.|contract|(^|\/)bench\/|(?<!\.d)\.ts$/.test(file))).toEqual([])
  })

  test('has every file that package.json promises', () => {
    const promised = Object.values(manifest.exports).flatMap((target) =>
      typeof target === 'string' ? [target] : [target.types, target.default],
    )
    const missing = [...promised, ...Object.values(manifest.bin)]
      .map((path) => path.replace(/^\.\//, ''))
      .filter((path) => !packed.includes(path))
    expect(missing).toEqual([])
  })

  test('has every page, style and picture that the source folder has', () => {
    const assets = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.[a-z0-9]+$/.test(path) && !path.endsWith('.ts'))
      .map((path) => `dist/${path}`)
    expect(assets).not.toEqual([])
    expect(assets.filter((path) => !packed.includes(path))).toEqual([])
  })

  test('imports only files that it holds', () => {
    const missing = packed
      .filter((file) => /^dist\/.*\.(js|d\.ts)$/.test(file))
      .flatMap((file) => relativeImports(join(stage, file)))
      // Declarations import declarations as `.ts`, which the compiler takes for `.d.ts`.
      .filter((path) => !existsSync(path) && !existsSync(path.replace(/\.ts$/, '.d.ts')))
    expect(missing).toEqual([])
  })

  test.each(runtimes)('runs the command on %s', (runtime) => {
    const command = join(stage, manifest.bin.fairlead as string)
    expect(run(join(binaries, runtime), [command, '--version'], stranger).trim()).toContain(manifest.version)
  })

  test('runs the command as a program', () => {
    const command = join(stage, manifest.bin.fairlead as string)
    expect(run(command, ['--version'], stranger)).toContain(manifest.version)
  })

  test.each(runtimes)('is imported by name on %s', (runtime) => {
    writeFileSync(
      join(stranger, 'a.js'),
      `${entries.map((entry, index) => `import * as e${index} from '${entry}'\n`).join('')}
console.log(Object.keys({ ${entries.map((_, index) => `...e${index}`).join()} }).join())\n`,
    )
    const names = run(join(binaries, runtime), ['a.js'], stranger).trim().split(',')
    for (const name of ['createGateway', 'createHub', 'combine', 'memory', 'redis', 'nats', 'etcd']) {
      expect(names).toContain(name)
    }
  })

  test.each(runtimes)('has every part of it by name on %s', (runtime) => {
    const parts = Object.entries(manifest.exports).filter(([, target]) => typeof target === 'object')
    const code = parts.map(([name]) => {
      const part = `fairlead${name.slice(1)}`
      return `import('${part}').then((all) => console.log('${part}', Object.keys(all).length > 0))\n`
    })
    writeFileSync(join(stranger, 'b.js'), code.join(''))
    const lines = run(join(binaries, runtime), ['b.js'], stranger).trim().split('\n').sort()
    expect(lines).toEqual(parts.map(([name]) => `fairlead${name.slice(1)} true`).sort())
  })

  test('has declarations that a strict project compiles against', () => {
    writeFileSync(
      join(stranger, 'a.ts'),
      `import { createGateway, type Gateway, type GatewayOptions } from 'fairlead'
const options: GatewayOptions = {
  listen: [{ port: 8080 }],
  pools: { chat: { backends: ['127.0.0.1:3001'] } },
  routes: [{ pool: 'chat' }],
}
export const create: () => Gateway | Promise<Gateway> = () => createGateway(options)
// @ts-expect-error A port is a number, and the types say so.
export const wrong: GatewayOptions = { ...options, listen: [{ port: 'eighty' }] }
import { createServer } from 'node:http'
import { createHub, type Connection } from 'fairlead/hub'
const hub = createHub({ authenticate: async () => ({ user: '42', data: { admin: true } }) })
hub.on('connection', (connection: Connection<{ admin: boolean }>) => {
  connection.join('lobby')
  connection.on('message', (data) => void hub.room('lobby').send(data, { except: connection }))
})
hub.attach(createServer(), { path: '/ws' })
import { combine, memory } from 'fairlead/cluster'
import { etcd } from 'fairlead/etcd'
import { nats } from 'fairlead/nats'
import { redis } from 'fairlead/redis'
export const drivers = [
  memory(),
  redis('redis://127.0.0.1:6379'),
  combine({ bus: nats('nats://127.0.0.1:4222'), registry: etcd({ endpoints: 'http://127.0.0.1:2379' }) }),
]
export const joined = createHub({
  cluster: drivers[0],
  rooms: { 'chat-*': { presence: true, history: { size: 100, age: '1h' } } },
})
joined.on('app:reload', (value: unknown, from: string) => console.log(value, from))
joined.on('userJoined', ({ room, user }) => console.log(room, user))
// @ts-expect-error There is no such event, and a name of one's own has a colon.
joined.on('conection', () => {})
// @ts-expect-error What authenticate says is what a connection has.
hub.on('message', ({ connection }) => connection.data.nothing)
`,
    )
    const settings = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
    expect(run(join(binaries, 'tsc'), [...settings, 'a.ts'], stranger)).toBe('')
  }, 60_000)
})

/** Output of a program that must end well, with our Node first in PATH. */
function run(command: string, args: readonly string[], cwd: string): string {
  const env = { ...process.env, PATH: `${binaries}:${process.env.PATH}` }
  const ended = spawnSync(command, args, { cwd, env, encoding: 'utf8' })
  if (ended.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${ended.status}\n${ended.stdout}${ended.stderr}`)
  }
  return ended.stdout
}

/** npm reports a list of packages, from version 12 on an object of them. */
function filesOf(report: Readonly<Record<string, { readonly files: readonly { readonly path: string }[] }>>) {
  return Object.values(report).flatMap(({ files }) => files.map(({ path }) => path))
}

function relativeImports(file: string): string[] {
  const specifiers = readFileSync(file, 'utf8').matchAll(/(?:from |import\(|^import )['"](\.[^'"]+)['"]/gm)
  return [...specifiers].map(([, specifier]) => resolve(dirname(file), specifier as string))
}
