import { expect, test } from 'vitest'
import { parseOptions } from '../gateway/parse-options.ts'
import { runtimeLine, servingLines } from './banner.ts'
import { version } from './version.ts'

function linesFor(backends: (string | { address: string; weight: number })[]): string[] {
  const result = parseOptions({
    listen: [{ port: 0 }],
    pools: { chat: { backends } },
    routes: [{ pool: 'chat' }],
  })
  if ('problems' in result) throw new Error('expected valid options')
  return servingLines({ listeners: [{ address: 'http://127.0.0.1:8080', port: 8080 }] }, result.config)
}

test('the first line names version, runtime and process', () => {
  const runtime = process.versions.bun ? `Bun ${process.versions.bun}` : `Node ${process.versions.node}`
  expect(runtimeLine()).toBe(`fairlead ${version} on ${runtime} (pid ${process.pid})`)
})

test('each listener and each pool has a line, with the weights that are not 1', () => {
  expect(linesFor(['a:1', { address: 'b:2', weight: 3 }])).toEqual([
    'listening on http://127.0.0.1:8080 (every address of this machine)',
    'pool chat, auto: a:1, b:2 (weight 3)',
  ])
})

test('a large pool is counted, not listed', () => {
  const [, line] = linesFor(Array.from({ length: 100 }, (_, index) => `host${index}:1`))
  expect(line).toMatch(/host7:1 and 92 more$/)
})
