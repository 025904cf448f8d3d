/**
 * The three things `npm test` runs. Each reads a machine-readable report instead of the runner's prose, and
 * takes the exit code as the second witness: a runner that fails without naming a failed test still counts.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from './child.mjs'
import { countJunit, countVitest, none, shortened } from './count-tests.mjs'
import { bin, root } from './setup.mjs'

/** @import { Ended } from './child.mjs' */
/** @import { Count } from './count-tests.mjs' */

const minutes = 60

/** Where tests live; vitest.config.ts names the same folders. */
const testFolders = ['src', 'test', 'examples']

/**
 * Lint, types, unused code: one test each.
 * @returns {Promise<Count>}
 */
export async function runChecks() {
  const count = none()
  for (const check of ['lint', 'types', 'unused']) {
    const started = performance.now()
    const args = ['run', '--silent', check]
    const ended = await run('npm', args, { timeoutSeconds: 10 * minutes, capture: true, env: path() })
    report(ended.ok, `${check} (${since(started)})`, ended)
    if (ended.ok) count.passed++
    else {
      count.failed++
      count.failures.push(told(check, ended))
    }
  }
  return count
}

/**
 * Every test file on Node, by Vitest.
 * @param {string[]} filters parts of file paths; none means all
 * @param {string} folder where reports go
 * @returns {Promise<Count>}
 */
export async function runOnNode(filters, folder) {
  const file = join(folder, 'vitest.json')
  // Not `.bin/vitest`: its first line would take whichever node comes first in PATH.
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...filters]
  args.push('--reporter=default', '--reporter=json', `--outputFile.json=${file}`)
  const ended = await run(bin('node'), args, { timeoutSeconds: 30 * minutes, env: path() })
  const count = existsSync(file) ? countVitest(readFileSync(file, 'utf8')) : none()
  return witness(count, ended, 'vitest')
}

/**
 * Every test file on Bun, each in a process of its own, as Vitest does: what one file leaves behind cannot
 * reach the next, and a crash of the runtime costs one file (`bun test --parallel` loses the whole run then).
 * @param {string[]} filters
 * @param {string} folder
 * @returns {Promise<Count>}
 */
export async function runOnBun(filters, folder) {
  const total = none()
  const files = findTests(filters)
  if (files.length === 0) {
    console.log(`bun: no test file matches ${filters.join(' ')}`)
    return { ...total, failed: 1 }
  }
  for (const [index, file] of files.entries()) {
    const count = await runFileOnBun(file, join(folder, `bun-${index}.xml`))
    add(total, count)
  }
  return total
}

/**
 * @param {string} file
 * @param {string} reportFile
 */
async function runFileOnBun(file, reportFile) {
  const started = performance.now()
  const args = [
    'test',
    '--timeout=20000',
    '--reporter=junit',
    `--reporter-outfile=${reportFile}`,
    `./${file}`,
  ]
  const ended = await run(bin('bun'), args, { timeoutSeconds: 10 * minutes, capture: true, env: path() })
  const count = existsSync(reportFile) ? countJunit(readFileSync(reportFile, 'utf8')) : none()
  const silent = count.passed + count.failed + count.skipped === 0 && ended.ok
  const result = witness(count, silent ? { ...ended, ok: false, how: 'no test in the file' } : ended, file)
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : ''
  report(result.failed === 0, `${file} (${result.passed} tests${skipped}, ${since(started)})`, ended)
  return result
}

/**
 * @param {Count} count
 * @param {Ended} ended
 * @param {string} name
 * @returns {Count}
 */
function witness(count, ended, name) {
  if (!ended.ok && count.failed === 0) {
    console.log(`${name}: failed without a failed test (${ended.how})`)
    count.failed = 1
  }
  if (count.failed > 0 && count.failures.length === 0) count.failures.push(told(name, ended))
  return count
}

/**
 * @param {Count} total is added to
 * @param {Count} count
 */
export function add(total, count) {
  total.passed += count.passed
  total.failed += count.failed
  total.skipped += count.skipped
  total.failures.push(...count.failures)
}

/**
 * @param {string} name
 * @param {Ended} ended
 */
function told(name, ended) {
  return [name, ...shortened(ended.output), `ended with ${ended.how}`].join('\n')
}

/** @param {string[]} filters */
function findTests(filters) {
  return testFolders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort()
}

/**
 * @param {boolean} ok
 * @param {string} line
 * @param {Ended} ended
 */
function report(ok, line, ended) {
  console.log(`${ok ? '✓' : '✗'} ${line}`)
  if (!ok) console.log(`${ended.output.trimEnd()}\n  ended with ${ended.how}`)
}

/** @param {number} started */
function since(started) {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`
}

/** What runs below must find our Node and Bun, also when this process was started before they existed. */
function path() {
  return { PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}` }
}
