import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { namedTest, readPage, testsExist } from '../support/named-tests.ts'

const page = readPage('docs/complaints.md')

/** The rows of all tables of the page: the number first, then the cells. */
const rows = [...page.matchAll(/^\| (\d+) +\|(.*)\|$/gm)].map(([, number, cells]) => {
  return { number: Number(number), cells: (cells as string).split('|').map((cell) => cell.trim()) }
})

/** Of the first table: what it says holds a complaint off. */
const held = rows
  .filter(({ cells }) => cells.length === 3)
  .map(({ number, cells }) => {
    return { number, ...namedTest(cells[2] as string) }
  })

test('every complaint of the survey stands in one of the two tables', () => {
  const answered = new Set(held.map(({ number }) => number))
  const open = rows.filter(({ cells }) => cells.length === 2).map(({ number }) => number)
  expect([...answered, ...open].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 24 }, (_, index) => index + 1),
  )
})

testsExist('$number: $file has "$name"', held)

test('every file of test/complaints stands in the table', () => {
  const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file !== 'table.test.ts')
  const named = new Set(held.map(({ file }) => file))
  expect(files.filter((file) => !named.has(`test/complaints/${file}`))).toEqual([])
})
