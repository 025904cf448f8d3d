import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { namedTest, readPage, testsExist } from '../support/named-tests.ts'

const page = readPage('docs/complaints.md')

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
    return { survey, number, ...namedTest(cells[2] as string) }
  })

test.each([
  { survey: '', complaints: 24 },
  { survey: 'H', complaints: 22 },
])('every complaint of survey "$survey" stands in a table', ({ survey, complaints }) => {
  // One that is answered in part stands in both.
  const numbers = new Set(rows.filter((row) => row.survey === survey).map(({ number }) => number))
  expect([...numbers].sort((a, b) => a - b)).toEqual(
    Array.from({ length: complaints }, (_, index) => index + 1),
  )
})

testsExist('$survey$number: $file has "$name"', held)

test('every file of test/complaints stands in the table', () => {
  const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file !== 'table.test.ts')
  const named = new Set(held.map(({ file }) => file))
  expect(files.filter((file) => !named.has(`test/complaints/${file}`))).toEqual([])
})
