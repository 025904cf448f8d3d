/**
 * `npm test`: set-up, checks, every test on Node and on Bun. The last line of its output reads
 * `N passed, M failed` (and `, K skipped`); the exit code is 0 only when nothing failed.
 *
 *     npm test                    everything
 *     npm test -- src/http1       the test files whose path contains the text, on both runtimes
 *     npm test -- --node          only on Node (--bun: only on Bun, --checks: only lint, types, unused code)
 *
 * The runtimes take turns: on a small machine two of them at once would disturb each other's deadlines.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endAll } from './child.mjs'
import { none } from './count-tests.mjs'
import { add, runChecks, runOnBun, runOnNode } from './runners.mjs'
import { ensureSetup, root } from './setup.mjs'
import { ensureSystemTools } from './system-tools.mjs'

const options = ['--node', '--bun', '--checks']

/** @param {string[]} args */
function parse(args) {
  const unknown = args.find((arg) => arg.startsWith('-') && !options.includes(arg))
  if (unknown !== undefined) throw new Error(`Unknown option ${unknown}. There are ${options.join(', ')}.`)
  const filters = args.filter((arg) => !arg.startsWith('-')).map((arg) => arg.replace(/^\.\//, ''))
  const only = args.filter((arg) => arg.startsWith('-'))
  const wants = (/** @type {string} */ option) => only.length === 0 || only.includes(option)
  const checks = only.includes('--checks') || (only.length === 0 && filters.length === 0)
  return { filters, checks, node: wants('--node'), bun: wants('--bun') }
}

/** @param {string[]} args */
async function testAll(args) {
  const plan = parse(args)
  await ensureSetup()
  if (plan.node || plan.bun) await ensureSystemTools()
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-test-'))
  const parts = [
    { name: 'Checks', wanted: plan.checks, run: () => runChecks() },
    { name: 'Tests on Node', wanted: plan.node, run: () => runOnNode(plan.filters, folder) },
    { name: 'Tests on Bun', wanted: plan.bun, run: () => runOnBun(plan.filters, folder) },
  ]
  const total = none()
  try {
    for (const part of parts.filter(({ wanted }) => wanted)) {
      console.log(`\n${part.name}`)
      add(total, await part.run())
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return total
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.once(signal, async () => {
    await endAll()
    process.exit(1)
  })
}

let total = { ...none(), failed: 1 }
try {
  total = await testAll(process.argv.slice(2))
} catch (error) {
  console.log(error instanceof Error ? error.message : error)
}
for (const failure of total.failures) {
  console.log(`\n✗ ${failure.replaceAll(`${root}/`, '').replaceAll('\n', '\n    ')}`)
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`)
process.exitCode = total.failed === 0 ? 0 : 1
