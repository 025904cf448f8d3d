import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { peakPerSecond, perSecond, soFar } from '../bench/storm/figures.ts'
import { SerialServer } from '../bench/storm/serial-server.ts'
import { idealWait, rateOf, type Storm } from '../bench/storm/storm.ts'

const run = promisify(execFile)
const program = join(import.meta.dirname, '../bench/storm/main.ts')
const onLinux = test.skipIf(process.platform !== 'linux')
const server = { handshakeMs: 2, line: 3, refusalMs: 0.5 }

describe('the backend of the storm', () => {
  test('does one handshake after the other', () => {
    const model = new SerialServer(server)
    expect([model.arrive(100), model.arrive(100), model.arrive(101)]).toEqual([102, 104, 106])
    for (let i = 0; i < 3; i++) model.serve()
    expect(model.arrive(200)).toBe(202)
  })

  test('refuses whom its line has no place for, and loses time by it', () => {
    const model = new SerialServer(server)
    for (let i = 0; i < 3; i++) model.arrive(0)
    expect([model.arrive(0), model.arrive(0)]).toEqual([null, null])
    model.serve()
    expect(model.arrive(2)).toBe(6 + 2 * 0.5 + 2)
  })
})

describe('the figures of the storm', () => {
  test('the peak is of any second, wherever it begins', () => {
    expect(peakPerSecond([])).toBe(0)
    expect(peakPerSecond([0, 900, 950, 1000, 1899, 1900, 2500])).toBe(4)
    expect(peakPerSecond([0, 1000])).toBe(1)
  })

  test('lines show the last second, and everything so far', () => {
    const times = [1000, 1100, 1900, 2050]
    expect(perSecond(times, 1000, 2000, 500)).toEqual([
      [0, 1],
      [0.5, 2],
      [1, 2],
      [1.5, 2],
      [2, 1],
    ])
    expect(soFar(times, 1000, 1000, 500)).toEqual([
      [0, 1],
      [0.5, 2],
      [1, 3],
    ])
  })

  test('the ideal queue is as long as the backends that are left need', () => {
    const storm: Storm = { clients: 5000, backends: 2, down: 0, server, deadlineMs: 60_000 }
    expect(rateOf(storm)).toBe(500)
    expect(idealWait(storm, 1)).toBe(5000)
    expect(idealWait({ ...storm, down: 1 }, 0.5)).toBe(5000)
  })
})

describe('npm run bench:storm', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-storm-test-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  onLinux(
    'lets everybody in, and draws and writes what happened',
    async () => {
      const only = 'fairlead-bun,fairlead-node'
      const args = [program, '--smoke', '--only', only, '--out', folder, '--images', folder]
      const { stdout } = await run(process.execPath, args, { timeout: 90_000 })
      expect(stdout).toContain('| ideal queue | fairlead-bun')
      const names = readdirSync(folder).sort()
      const pictures = names.filter((name) => name.endsWith('.svg'))
      expect(pictures).toEqual([
        'storm-arrivals-both.svg',
        'storm-arrivals-one-gone.svg',
        'storm-clients-both.svg',
        'storm-clients-one-gone.svg',
      ])
      const readme = readFileSync(join(import.meta.dirname, '../bench/README.md'), 'utf8')
      for (const name of pictures) {
        const picture = readFileSync(join(folder, name), 'utf8')
        expect(picture).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
        expect(picture.match(/<polyline /g)).toHaveLength(3)
        expect(picture).not.toMatch(/NaN|Infinity|undefined/)
        expect(readme).toContain(`../docs/images/${name}`)
      }
      const file = names.find((name) => name.endsWith('.json')) as string
      const { samples, failures } = JSON.parse(readFileSync(join(folder, file), 'utf8'))
      expect(failures).toEqual([])
      for (const scene of ['both', 'one-gone']) {
        for (const { name, result } of samples[scene]) {
          expect({ name, in: result.clients.entries.length }).toEqual({ name, in: 100 })
        }
      }
    },
    100_000,
  )

  onLinux('says what is allowed when an option makes no sense', async () => {
    const failure = await run(process.execPath, [program, '--only', 'traefik']).catch((error) => error)
    expect(failure.code).toBe(1)
    expect(failure.stderr).toContain('--only takes fairlead-bun')
  })
})
