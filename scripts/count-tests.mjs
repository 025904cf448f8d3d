import { stripVTControlCharacters } from 'node:util'

/**
 * How many tests a runner's own report tells of.
 *
 * @typedef {object} Count
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string[]} failures what failed and why, a few lines each
 */

/** A long output is often cut at its beginning: what failed is said once more at its end, in this many lines each. */
const linesOfFailure = 30

/** @returns {Count} */
export function none() {
  return { passed: 0, failed: 0, skipped: 0, failures: [] }
}

/**
 * The last lines of what a runner said, without the tests that passed and without colours.
 * @param {string} output
 * @returns {string[]}
 */
export function shortened(output) {
  const lines = stripVTControlCharacters(output)
    .trimEnd()
    .split('\n')
    .filter((line) => !/^(\(pass\)|✓)/.test(line))
  return lines.slice(-linesOfFailure).map((line) => line.slice(0, 300))
}

/**
 * @param {string} json what `vitest --reporter=json` wrote
 * @returns {Count}
 */
export function countVitest(json) {
  const count = none()
  for (const file of JSON.parse(json).testResults) {
    let failed = 0
    for (const { status, fullName, failureMessages } of file.assertionResults) {
      if (status === 'passed') count.passed++
      else if (status === 'skipped' || status === 'todo' || status === 'disabled') count.skipped++
      else {
        // 'pending' never came to an end: its process died.
        failed++
        const why = (failureMessages?.length ? failureMessages : [status]).flatMap(shortened)
        count.failures.push([`${file.name} > ${fullName}`, ...why].join('\n'))
      }
    }
    if (failed === 0 && file.status === 'failed') {
      // It could not be loaded, or a hook of it failed: no test of its own did.
      failed = 1
      count.failures.push([file.name, ...shortened(file.message ?? '')].join('\n'))
    }
    count.failed += failed
  }
  return count
}

/**
 * @param {string} xml what `bun test --reporter=junit` wrote
 * @returns {Count}
 */
export function countJunit(xml) {
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? ''
  const number = (/** @type {string} */ name) =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0)
  const failed = number('failures') + number('errors')
  const skipped = number('skipped')
  return { passed: Math.max(0, number('tests') - failed - skipped), failed, skipped, failures: [] }
}
