import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/complaints.md', root), 'utf8')

/** The rows of all tables of the page: the survey (`H` is that of the hub) and the number in it, then the cells. */
const rows = [...page.matchAll(/^\| (H?)(\d+) +\|(.*)\|$/gm)].map(([, survey, number, cells]) => ({
  survey,
  number: Number(number),
  cells: (cells as string).split('|').map((cell) => cell.trim()),
}))

/** Of the first table of each survey: what it says holds a complaint off. */
const held = rows
  .filter(({ cells }) => cells.length === 3)
  .map(({ survey, number, cells }) => {
    const [, file, name] =
      /^`((?:src|test)\/[\w/-]+(?:\.test|-contract)\.ts)`: "(.+)"$/.exec(cells[2] as string) ?? []
    return { survey, number, file, name }
  })

test.each([
  { survey: '', complaints: 24 },
  { survey: 'H', complaints: 22 },
])('every complaint of survey "$survey" stands in a table', ({ survey, complaints }) => {
  const own = <T extends { survey: string | undefined }>(all: readonly T[]) =>
    all.filter((row) => row.survey === survey)
  const open = own(rows).filter(({ cells }) => cells.length === 2)
  // One that is answered in part stands in both.
  const numbers = new Set([...own(held), ...open].map(({ number }) => number))
  expect([...numbers].sort((a, b) => a - b)).toEqual(
    Array.from({ length: complaints }, (_, index) => index + 1),
  )
})

test.each(held)('$survey$number: $file has "$name"', ({ file, name }) => {
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
