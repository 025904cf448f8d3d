import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'fairlead-policies-'))
const root = join(import.meta.dirname, '..')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function program(name: string, ...more: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [join(root, 'bench/policies', name), '--smoke', ...more])
  return stdout
}

describe('npm run bench:policies', () => {
  test('draws the pictures of the guide', async () => {
    const stdout = await program('main.ts', '--out', folder)
    const guide = readFileSync(join(root, 'docs/guide/choosing-a-policy.md'), 'utf8')
    const names = readdirSync(folder).sort()
    expect(names).toEqual(['policy-failure.svg', 'policy-scale-out.svg', 'policy-weights.svg'])
    for (const name of names) {
      const picture = readFileSync(join(folder, name), 'utf8')
      expect(picture).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
      expect(picture.match(/<polyline /g)).toHaveLength(6)
      expect(picture).not.toMatch(/NaN|Infinity|undefined/)
      expect(guide).toContain(`../images/${name}`)
    }
    expect(stdout).toContain('| power of two | ')
  })

  test('tells what a pick costs for every policy', async () => {
    const stdout = await program('pick-main.ts')
    const rows = stdout.split('\n').filter((line) => /^\| [a-z].*( \| \d+){5} \|$/i.test(line))
    expect(rows).toHaveLength(7)
  })
})
