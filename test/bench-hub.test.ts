import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { FrameCounter } from '../bench/hub/load/frame-counter.ts'
import { HubResults } from '../bench/hub/results.ts'
import { judgeHub } from '../bench/hub/targets.ts'
import { findProgram } from '../bench/runtimes.ts'

const run = promisify(execFile)
const program = join(import.meta.dirname, '../bench/hub/main.ts')
const folder = mkdtempSync(join(tmpdir(), 'fairlead-bench-hub-test-'))
const onLinux = test.skipIf(process.platform !== 'linux')

afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Sample {
  readonly metric: string
  readonly contender: string
  readonly value: number
}

const alone = ['fan1k', 'burst1k', 'p50', 'p99', 'fan9k', 'echo', 'memory']
const together = ['cluster', 'clusterBurst', 'clusterRate', 'clusterMemory']

describe('npm run bench:hub', () => {
  onLinux(
    'measures hubs and peers, alone and in a cluster, and writes a table and JSON',
    async () => {
      const args = [program, '--smoke', '--only', 'hub-node,hub-bun,ws-loop,socket.io', '--out', folder]
      const { stdout } = await run(process.execPath, args, { timeout: 90_000 })
      const names = readdirSync(folder)
      expect(names.map((name) => name.slice(name.lastIndexOf('.'))).sort()).toEqual(['.json', '.md'])
      const json = readFileSync(join(folder, names.find((name) => name.endsWith('.json'))!), 'utf8')
      const { failures, samples } = JSON.parse(json) as { failures: unknown[]; samples: Sample[] }
      expect(failures).toEqual([])
      const clustered = findProgram('redis-server') === null ? [] : together
      for (const contender of ['hub-node', 'hub-bun', 'ws-loop', 'socket.io']) {
        const measured = samples.filter((sample) => sample.contender === contender)
        const expected = contender === 'ws-loop' ? alone : [...alone, ...clustered]
        expect(measured.map((sample) => sample.metric)).toEqual(expected)
        expect(measured.every((sample) => Number.isFinite(sample.value))).toBe(true)
      }
      expect(stdout).toContain('delivery to 9,000 members')
      expect(stdout).toMatch(/- hub-node: delivery to 1,000 members <= 0\.8 x ws-loop: (met|MISSED) \(/)
    },
    100_000,
  )

  onLinux('says what is allowed when an option makes no sense', async () => {
    const failure = await run(process.execPath, [program, '--only', 'phoenix']).catch((error) => error)
    expect(failure.code).toBe(1)
    expect(failure.stderr).toContain('--only takes hub-node')
  })

  test('judges by the ratios within each round', () => {
    const results = new HubResults()
    // The second round saw a machine twice as slow: the ratio of the medians would be another one.
    for (const [round, hub, loop] of [
      [0, 4, 5],
      [1, 9, 10],
      [2, 7, 10],
    ] as const) {
      results.samples.push({ metric: 'fan1k', contender: 'hub-node', round, value: hub })
      results.samples.push({ metric: 'fan1k', contender: 'ws-loop', round, value: loop })
    }
    const verdicts = judgeHub(results)
    expect(verdicts[0]).toMatchObject({ measured: 0.8, met: true })
    expect(verdicts.slice(1).every(({ met }) => met === null)).toBe(true)
    results.samples.push({ metric: 'fan1k', contender: 'hub-node', round: 3, value: 9 })
    results.samples.push({ metric: 'fan1k', contender: 'ws-loop', round: 3, value: 10 })
    expect(judgeHub(results)[0]?.met).toBe(false)
  })
})

/** A frame as a server sends it. */
function frame(opcode: number, size: number): Buffer {
  const head =
    size < 126
      ? Buffer.from([0x80 | opcode, size])
      : size < 65536
        ? Buffer.from([0x80 | opcode, 126, size >> 8, size & 0xff])
        : Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0, 0, size >> 16, (size >> 8) & 0xff, size & 0xff])
  return Buffer.concat([head, Buffer.alloc(size, 0x81)])
}

describe('the frame counter of the clients', () => {
  test('counts messages and pings, however the bytes are cut', () => {
    const frames = fc.array(
      fc.record({
        opcode: fc.constantFrom(1, 2, 9, 10),
        size: fc.constantFrom(0, 1, 100, 125, 126, 300, 65535, 65536),
      }),
      { maxLength: 6 },
    )
    const cuts = fc.array(fc.constantFrom(1, 2, 3, 5, 102, 4096, 100_000), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(frames, cuts, (list, lengths) => {
        const small = Math.max(...lengths) < 1000 ? list.filter(({ size }) => size < 1000) : list
        const bytes = Buffer.concat(small.map(({ opcode, size }) => frame(opcode, size)))
        const counter = new FrameCounter()
        let messages = 0
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = lengths[i % lengths.length]!
          messages += counter.count(bytes.subarray(at, at + length))
          at += length
        }
        expect(messages).toBe(small.filter(({ opcode }) => opcode < 3).length)
        expect(counter.pings).toBe(small.filter(({ opcode }) => opcode === 9).length)
      }),
      { numRuns: 150 },
    )
  })

  test('refuses what is masked or fragmented', () => {
    expect(() => new FrameCounter().count(Buffer.from([0x81, 0x80, 0, 0, 0, 0]))).toThrow('81 80')
    expect(() => new FrameCounter().count(Buffer.from([0x01, 0x01, 0x61]))).toThrow('1 1')
  })
})
