/**
 * How many tests a runner's own report tells of.
 *
 * @typedef {object} Count
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/**
 * @param {string} json what `vitest --reporter=json` wrote
 * @returns {Count}
 */
export function countVitest(json) {
  const count = { passed: 0, failed: 0, skipped: 0 }
  for (const file of JSON.parse(json).testResults) {
    let failed = 0
    for (const { status } of file.assertionResults) {
      if (status === 'passed') count.passed++
      else if (status === 'skipped' || status === 'todo' || status === 'disabled') count.skipped++
      // 'pending' never came to an end: its process died.
      else failed++
    }
    // A file that could not be loaded, or whose hook failed, has no failed test of its own.
    count.failed += failed === 0 && file.status === 'failed' ? 1 : failed
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
  return { passed: Math.max(0, number('tests') - failed - skipped), failed, skipped }
}
