import { expect, test } from 'vitest'
import { namedTest, readPage, testsExist } from './support/named-tests.ts'

/** The rows of all tables of the page, their heads left out. */
const rows = readPage('docs/guarantees.md')
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\| *(What|Event|-+) /.test(line))
  .map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  )

test('every row of the guarantees has a statement, or is a further test of the one above', () => {
  expect(rows.length).toBeGreaterThan(20)
  for (const cells of rows) {
    expect(cells).toHaveLength(3)
    expect(cells[0] === '').toBe(cells[1] === '')
  }
})

testsExist(
  '$file has "$name"',
  rows.map(([, , cell = '']) => namedTest(cell)),
)
