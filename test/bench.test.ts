import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const program = join(import.meta.dirname, '../bench/main.ts')
const onLinux = test.skipIf(process.platform !== 'linux')

describe('npm run bench', () => {
  let folder = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fairlead-bench-test-'))
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  onLinux(
    'measures every work on Fairlead and on a peer, and writes a table and JSON',
    async () => {
      const args = [program, '--smoke', '--only', 'http-proxy-3,fairlead-bun', '--out', folder]
      const { stdout } = await run(process.execPath, args, { timeout: 60_000 })
      const names = readdirSync(folder)
      expect(names.map((name) => name.slice(name.lastIndexOf('.'))).sort()).toEqual(['.json', '.md'])
      const result = JSON.parse(
        readFileSync(join(folder, names.find((name) => name.endsWith('.json'))!), 'utf8'),
      )
      expect(result.failures).toEqual([])
      for (const peer of ['http-proxy-3', 'fairlead-bun']) {
        const measured = result.samples.filter((sample: { peer: string }) => sample.peer === peer)
        expect(measured.map((sample: { metric: string }) => sample.metric)).toEqual([
          'ws64',
          'ws16k',
          'ws64k',
          'http',
          'upgrade',
          'memory',
          'refill',
          'p50',
          'p99',
        ])
        expect(measured.every((sample: { value: number }) => Number.isFinite(sample.value))).toBe(true)
      }
      expect(stdout).toContain('64 B round trip')
      expect(stdout).toContain('fairlead-bun: idle tunnel <=')
    },
    60_000,
  )

  onLinux('says what is allowed when an option makes no sense', async () => {
    const failure = await run(process.execPath, [program, '--only', 'traefik']).catch((error) => error)
    expect(failure.code).toBe(1)
    expect(failure.stderr).toContain('--only takes haproxy')
  })
})
