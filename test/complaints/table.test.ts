import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/complaints.md', root), 'utf8')

/** The rows of all tables of the page: the number first, then the cells. */
const rows = [...page.matchAll(/^\| (\d+) +\|(.*)\|$/gm)].map(([, number, cells]) => {
  return { number: Number(number), cells: (cells as string).split('|').map((cell) => cell.trim()) }
})

/** Of the first table: what it says holds a complaint off. */
const held = rows
  .filter(({ cells }) => cells.length === 3)
  .map(({ number, cells }) => {
    const [, file, name] = /^`(test\/[\w/-]+\.test\.ts)`: "(.+)"$/.exec(cells[2] as string) ?? []
    return { number, file, name }
  })

test('every complaint of the survey stands in one of the two tables', () => {
  const answered = new Set(held.map(({ number }) => number))
  const open = rows.filter(({ cells }) => cells.length === 2).map(({ number }) => number)
  expect([...answered, ...open].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 24 }, (_, index) => index + 1),
  )
})

test.each(held)('$number: $file has "$name"', ({ file, name }) => {
  if (file === undefined || name === undefined)
    throw new Error('expected `test/file.test.ts`: "name of a test"')
  const place = new URL(file, root)
  expect(existsSync(place)).toBe(true)
  const titles = readFileSync(place, 'utf8')
    .split('\n')
    .filter((line) => /^\s*(test|describe)\b|^\s*['"`]/.test(line))
  expect(titles.filter((line) => line.includes(name))).not.toEqual([])
})

test('every file of test/complaints stands in the table', () => {
  const files = readdirSync(new URL('test/complaints/', root)).filter((file) => file !== 'table.test.ts')
  const named = new Set(held.map(({ file }) => file))
  expect(files.filter((file) => !named.has(`test/complaints/${file}`))).toEqual([])
})
