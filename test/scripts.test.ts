import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { run } from '../scripts/child.mjs'
import { countJunit, countVitest, shortened } from '../scripts/count-tests.mjs'
import { matches } from '../scripts/setup.mjs'

/** What `npm test` and `npm start` are made of. */
describe('counting tests', () => {
  const vitest = (...files: { status: string; tests: string[] }[]) =>
    countVitest(
      JSON.stringify({
        testResults: files.map(({ status, tests }) => ({
          name: 'a.test.ts',
          status,
          message: 'no such module',
          assertionResults: tests.map((test) => ({
            status: test,
            fullName: `it ${test}`,
            failureMessages: test === 'failed' ? ['Error: one is not two\n    at a.test.ts:1:1'] : [],
          })),
        })),
      }),
    )

  test('every test of Vitest counts once', () => {
    const file = { status: 'failed', tests: ['passed', 'passed', 'failed', 'skipped', 'todo'] }
    expect(vitest(file, { status: 'passed', tests: ['passed'] })).toEqual({
      passed: 3,
      failed: 1,
      skipped: 2,
      failures: ['a.test.ts > it failed\nError: one is not two\n    at a.test.ts:1:1'],
    })
  })

  test('a file that could not be loaded counts as failed', () => {
    expect(vitest({ status: 'failed', tests: [] })).toEqual({
      passed: 0,
      failed: 1,
      skipped: 0,
      failures: ['a.test.ts\nno such module'],
    })
  })

  test('a file whose hook failed counts as failed', () => {
    expect(vitest({ status: 'failed', tests: ['passed', 'skipped'] })).toMatchObject({
      passed: 1,
      failed: 1,
      skipped: 1,
    })
  })

  test('a test that never ended, because its process died, counts as failed', () => {
    expect(vitest({ status: 'passed', tests: ['passed', 'pending'] })).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
      failures: ['a.test.ts > it pending\npending'],
    })
  })

  test('the head of a JUnit report counts, not its suites', () => {
    const suite = '<testsuite name="a" tests="4" failures="1" skipped="1"></testsuite>'
    const xml = `<?xml version="1.0"?>\n<testsuites name="bun test" tests="9" failures="2" skipped="3">${suite}</testsuites>`
    expect(countJunit(xml)).toMatchObject({ passed: 4, failed: 2, skipped: 3 })
  })

  test('a report that was cut off tells of nothing', () => {
    expect(countJunit('<?xml version="1.0"?>\n<testsu')).toMatchObject({ passed: 0, failed: 0, skipped: 0 })
  })

  test('of what a runner said, the end is told again, without colours and what passed', () => {
    const said = ['(pass) a', '\u001b[31m(fail) b\u001b[0m', '✓ c', '']
    expect(shortened(said.join('\n'))).toEqual(['(fail) b'])
    const many = Array.from({ length: 100 }, (_, index) => `line ${index}`)
    expect(shortened(many.join('\n'))).toEqual(many.slice(-30))
  })
})

describe('running a child', () => {
  const sh = (script: string, timeoutSeconds = 10) =>
    run('sh', ['-c', script], { timeoutSeconds, capture: true })

  test('tells how it ended and what it said', async () => {
    expect(await sh('echo out; echo err >&2')).toEqual({ ok: true, how: 'code 0', output: 'out\nerr\n' })
    expect(await sh('exit 3')).toMatchObject({ ok: false, how: 'code 3' })
    expect(await sh('kill -SEGV $$')).toMatchObject({ ok: false, how: 'SIGSEGV' })
  })

  test('a command that does not exist is not ok', async () => {
    const ended = await run('no-such-command-here', [], { timeoutSeconds: 10, capture: true })
    expect(ended).toMatchObject({ ok: false })
    expect(ended.how).toContain('no-such-command-here')
  })

  test('it has no input to wait for', async () => {
    expect(await sh('cat; echo end')).toMatchObject({ ok: true, output: 'end\n' })
  })

  test('one that does not end is ended, with what it started', async () => {
    const ended = await sh('sleep 60 & echo $!; wait', 0.5)
    expect(ended).toMatchObject({ ok: false, how: 'no end after 0.5 s' })
    await gone(Number(ended.output))
  })

  test('what it leaves behind is ended, though it holds the pipes open', async () => {
    const ended = await sh('sleep 60 & echo $!')
    expect(ended).toMatchObject({ ok: true })
    await gone(Number(ended.output))
  })
})

describe('set-up', () => {
  const lock = {
    '': { version: '0.1.0' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/a-linux': { version: '1.0.0', optional: true },
  }

  test.each([
    ['is current with every package', { 'node_modules/a': lock['node_modules/a'] }, true],
    [
      'is current when an optional package has an integrity of its own',
      { ...lock, 'node_modules/a-linux': { version: '1.0.0', integrity: 'sha512-b' } },
      true,
    ],
    ['is not when one is missing', {}, false],
    ['is not when one differs', { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-other' } }, false],
    [
      'is not when an optional package is old',
      { ...lock, 'node_modules/a-linux': { version: '0.9.0' } },
      false,
    ],
  ])('%s', (_, installed, current) => {
    expect(matches(lock, installed)).toBe(current)
  })
})

/** Resolves when a process has ended; one that nobody has collected yet (a zombie) has. */
async function gone(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch (error) {
    // Where there is no /proc, being there is running.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux'
  }
}
