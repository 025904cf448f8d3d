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
    for (const name of ['@types/node', '@types/bun']) {
      symlinkSync(join(root, 'node_modules', name), join(stranger, 'node_modules', name))
    }
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
    compile(stranger, ['a.ts'], ['--types', 'node'])
  }, 60_000)

  // Most projects are strict and no stricter: there, a literal that may be one thing or another has all their fields.
  test.each([[], ['--exactOptionalPropertyTypes']])(
    'knows the data of a connection by what authenticate returns %j',
    (...stricter) => {
      writeFileSync(
        join(stranger, 'data.ts'),
        `import { createHub, type Authenticate, type Hub, type HubOptions } from 'fairlead/hub'
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type Data<H> = H extends Hub<infer D> ? D : 'none'
const same = <A, B>(_: Same<A, B>) => {}
declare function find(cookie?: string): Promise<{ id: string; name: string } | null>
const may = createHub({ authenticate: async ({ headers }) => {
  const user = await find(headers.cookie)
  return user ? { user: user.id, data: { name: user.name } } : { status: 401, reason: 'no' }
} })
same<Data<typeof may>, { name: string }>(true)
const plain = createHub({ authenticate: ({ url }) => url === '/' ? { user: 'a' } : { status: 401, reason: 'no', headers: {} } })
same<Data<typeof plain>, undefined>(true)
const some = createHub({ authenticate: ({ url }) => url === '/' ? { user: 'a', data: { a: 1 } } : { user: 'b' } })
same<Data<typeof some>, { a: number } | undefined>(true)
const nobody = createHub({ authenticate: () => ({ status: 401, reason: 'no' }) })
same<Data<typeof nobody>, undefined>(true)
const said = createHub<{ roles: string[] }>({ authenticate: () => ({ data: { roles: [] } }) })
same<Data<typeof said>, { roles: string[] }>(true)
const authenticate: Authenticate<{ n: number }> = () => ({ user: 'a', data: { n: 1 } })
const apart = createHub({ authenticate })
same<Data<typeof apart>, { n: number }>(true)
const without = createHub({ path: '/ws' })
same<Data<typeof without>, undefined>(true)
export const generic = <T>(options: HubOptions<T>): Hub<T> => createHub<T>(options)
// @ts-expect-error No welcome and no refusal.
createHub({ authenticate: () => ({ ok: false }) })
// @ts-expect-error A slip of the pen.
createHub({ authenticate: () => ({ statusCode: 401, reason: 'no' }) })
// @ts-expect-error A user is text.
createHub({ authenticate: () => ({ user: 42 }) })
// @ts-expect-error Not said what else.
createHub<{ n: number }>({ authenticate: () => ({ user: 'a' }) })
`,
      )
      compile(stranger, ['data.ts'], ['--types', 'node', ...stricter])
    },
    60_000,
  )

  test('compiles with what its guide and its examples say', () => {
    const files = ['hub', 'cluster'].flatMap((page) =>
      snippets(readFileSync(join(root, `docs/guide/${page}.md`), 'utf8')).map((code, index) => {
        const file = `${page}-${index + 1}.ts`
        writeFileSync(join(stranger, file), `${code}\nexport {}\n`)
        return file
      }),
    )
    expect(files.length).toBeGreaterThan(6)
    const examples = join(root, 'examples/hub')
    mkdirSync(join(stranger, 'examples'))
    for (const file of readdirSync(examples)) {
      const code = readFileSync(join(examples, file), 'utf8')
      const theirs = code.replace(/'(?:\.\.\/)+src\/(\w+)\.ts'/g, "'fairlead/$1'").replaceAll(".ts'", ".js'")
      expect(theirs).not.toContain('/src/')
      writeFileSync(join(stranger, 'examples', file), theirs)
      files.push(`examples/${file}`)
    }
    // What the guide leaves to the reader.
    writeFileSync(
      join(stranger, 'reader.d.ts'),
      `declare const app: import('node:http').RequestListener & { fetch(request: Request): Response }
declare function whoIs(cookie?: string): Promise<{ id: string; name: string } | null>
declare function reload(value: unknown): void
declare const os: typeof import('node:os')
declare const url: string
declare const createHub: typeof import('fairlead/hub').createHub
declare const hub: import('fairlead/hub').Hub
declare const one: import('fairlead/cluster').ClusterDriver
declare const another: import('fairlead/cluster').ClusterDriver
declare const third: import('fairlead/cluster').ClusterDriver
`,
    )
    compile(stranger, [...files, 'reader.d.ts'], ['--types', 'node,bun', '--skipLibCheck'])
  }, 60_000)
})

function compile(folder: string, files: readonly string[], more: readonly string[]): void {
  const settings = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024']
  expect(run(join(binaries, 'tsc'), [...settings, ...more, ...files], folder)).toBe('')
}

/** The blocks of TypeScript in a page. */
function snippets(page: string): string[] {
  return [...page.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code as string)
}

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
