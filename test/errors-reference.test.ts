import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const source = readFileSync(new URL('../src/core/errors.ts', import.meta.url), 'utf8')
const page = readFileSync(new URL('../docs/reference/errors.md', import.meta.url), 'utf8')

const codes = [...source.matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(([, code]) => code as string)

test('every error code has one heading in docs/reference/errors.md, in the same order', () => {
  const headings = [...page.matchAll(/^### (\w+)$/gm)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(20)
  expect(headings).toEqual(codes)
})

test('the table names every error code once, in the same order', () => {
  const rows = [...page.matchAll(/^\| \[(\w+)\]\(#(\w+)\)/gm)]
  expect(rows.map(([, code]) => code)).toEqual(codes)
  for (const [, code, anchor] of rows) expect(anchor).toBe(code?.toLowerCase())
})
