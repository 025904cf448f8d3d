/**
 * `npm run lockfile`, after a dependency was added or raised: adds what npm leaves out of package-lock.json.
 *
 * Packages with binaries name one optional package per platform. npm drops those that the registry at hand does
 * not carry, and `npm ci` then refuses the lockfile, on every machine. The dropped entries are put back with
 * what their name and their parent's exact version tell; the integrity stays open until npm runs where the
 * package can be seen. `test/tidy.test.ts` finds a lockfile that needs this.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.mjs'

const systems = new Map([
  ...[
    'aix',
    'android',
    'darwin',
    'freebsd',
    'linux',
    'netbsd',
    'openbsd',
    'openharmony',
    'sunos',
    'win32',
  ].map(same),
  ['windows', 'win32'],
])
const processors = new Map([
  ...['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'].map(same),
  ['aarch64', 'arm64'],
])
const libraries = new Map([
  ...['gnu', 'glibc', 'gnueabihf'].map((word) => /** @type {const} */ ([word, 'glibc'])),
  ...['musl', 'musleabihf'].map((word) => /** @type {const} */ ([word, 'musl'])),
])

const file = join(root, 'package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
let added = 0
for (const [parent, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (`node_modules/${name}` in lock.packages || `${parent}/node_modules/${name}` in lock.packages) continue
    lock.packages[`node_modules/${name}`] = describe(name, version, entry.dev === true)
    added++
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
lock.packages = Object.fromEntries(sorted)
if (added > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: ${added} optional packages added`)

/**
 * @param {string} name
 * @param {string} version
 * @param {boolean} dev
 */
function describe(name, version, dev) {
  const words = name.split(/[/-]/)
  const find = (/** @type {ReadonlyMap<string, string>} */ known) =>
    words.flatMap((word) => known.get(word) ?? []).slice(0, 1)
  const [os, cpu, libc] = [find(systems), find(processors), find(libraries)]
  if (!/^\d/.test(version) || os.length === 0 || cpu.length === 0) {
    throw new Error(`${name}@${version}: its name does not tell the platform; install where npm can see it`)
  }
  return { version, cpu, ...(dev && { dev }), ...(libc.length > 0 && { libc }), optional: true, os }
}

/**
 * @param {string} word
 * @returns {readonly [string, string]}
 */
function same(word) {
  return [word, word]
}
