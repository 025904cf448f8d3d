/**
 * Set-up: installs what package-lock.json asks for when node_modules does not match it. Plain JavaScript
 * without dependencies, because the machine's own Node may be 20, which cannot run TypeScript. Says nothing
 * on stdout: `npm run --silent fairlead` runs it first and promises a clean one.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The repository. */
export const root = resolve(fileURLToPath(import.meta.url), '../..')

/**
 * Where a development binary is. By full path, as PATH may hold another version.
 * @param {string} name
 */
export function bin(name) {
  return join(root, 'node_modules', '.bin', name)
}

/** Installs when needed. Throws an Error whose message tells a person what to do. */
export async function ensureSetup() {
  if (isCurrent()) return
  await withLock(async () => {
    if (isCurrent()) return
    console.error('fairlead: installing the development dependencies (npm ci)')
    const failure = await runNpmCi()
    if (failure !== null) throw new Error(explain(failure))
    if (!isCurrent()) throw new Error(explain('npm ci ended well, but packages or binaries are missing'))
  })
}

/**
 * Whether node_modules is what package-lock.json says. npm writes node_modules/.package-lock.json as its very
 * last act, so an interrupted install has none, and comparing contents (not file times, which `git checkout`
 * changes at will) also honours installs that were made by hand.
 */
function isCurrent() {
  const wanted = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'))
  if (wanted === null) throw new Error('package-lock.json is missing or unreadable')
  if (installed === null) return false
  if (!matches(wanted, installed)) return false
  return isExecutable(bin('node')) && isExecutable(bin('bun'))
}

/**
 * @typedef {Record<string, { version?: string, integrity?: string, optional?: boolean }>} Packages
 */

/**
 * Whether what is installed is what the lockfile wants; more than it wants does no harm.
 * @param {Packages} wanted
 * @param {Packages} installed
 */
export function matches(wanted, installed) {
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true
    const found = installed[path]
    // Optional packages for other platforms are not installed.
    if (found === undefined) return optional === true
    // The lockfile leaves the integrity open for some of them (complete-lockfile.mjs).
    return found.version === version && (integrity === undefined || found.integrity === integrity)
  })
}

/**
 * @param {string} file
 * @returns {Packages | null}
 */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? null
  } catch {
    return null
  }
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** @returns {Promise<string | null>} what went wrong, or null */
function runNpmCi() {
  // What npm prints goes to stderr, and what the outer npm was told (--silent, --omit) is not for this one.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=warn']
  const env = { ...process.env, PATH: pathWithoutOurBinaries(), NODE_ENV: 'development' }
  return new Promise((done) => {
    const child = spawn('npm', args, { cwd: root, env, stdio: ['ignore', 2, 2] })
    child.once('error', (error) => done(`npm could not be started: ${error.message}`))
    child.once('exit', (code, signal) =>
      done(code === 0 ? null : `npm ci ended with ${signal ?? `code ${code}`}`),
    )
  })
}

/** npm must not run on the very Node it is about to delete. */
function pathWithoutOurBinaries() {
  const ours = join(root, 'node_modules', '.bin')
  const kept = (process.env.PATH ?? '').split(delimiter).filter((part) => resolve(part) !== ours)
  return kept.join(delimiter)
}

/** @param {string} failure */
function explain(failure) {
  return [
    `${failure}.`,
    'The development dependencies (among them the runtimes Node 26 and Bun) come from the npm registry:',
    'check that this machine reaches it (npm ping), then run npm ci by hand and try again.',
  ].join('\n')
}

/**
 * Two commands started at once in a fresh clone must not install into each other.
 * @param {() => Promise<void>} work
 */
async function withLock(work) {
  const folder = join(root, '.tmp')
  const file = join(folder, 'setup.lock')
  mkdirSync(folder, { recursive: true })
  while (!tryLock(file)) await sleep(200)
  try {
    await work()
  } finally {
    rmSync(file, { force: true })
  }
}

/** @param {string} file */
function tryLock(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  if (!isHeld(file)) rmSync(file, { force: true })
  return false
}

/**
 * Whether the process that wrote the lock is alive; the lock of a killed one is nobody's.
 * @param {string} file
 */
function isHeld(file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0)
    return true
  } catch (error) {
    // The moment between creating the file and writing the pid reads as pid 0, which is our own group: held.
    return codeOf(error) === 'EPERM'
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code
}

if (
  process.argv[1] !== undefined &&
  realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))
) {
  try {
    await ensureSetup()
  } catch (error) {
    console.error(`fairlead: set-up failed. ${error instanceof Error ? error.message : error}`)
    process.exit(1)
  }
}
