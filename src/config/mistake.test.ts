import { expect, test } from 'vitest'
import { formatMistake } from './mistake.ts'

test('the line is shown with a caret under the column', () => {
  const mistake = { message: 'found 5', line: 2, column: 4 }
  expect(formatMistake('f.yaml', 'a: 1\nb: 5\n', mistake)).toBe(
    ['f.yaml:2:4: found 5', '  2 | b: 5', '    |    ^'].join('\n'),
  )
})

test('without a line there is only the file', () => {
  expect(formatMistake('f.ts', '', { message: 'found 5' })).toBe('f.ts: found 5')
})

test('a line that holds a secret is not shown', () => {
  const mistake = { message: 'found a string', line: 1, column: 9, secret: true }
  expect(formatMistake('f.yaml', 'secret: hunter2', mistake)).toBe('f.yaml:1:9: found a string')
})

test('of a long line the part around the mistake is shown', () => {
  const text = `${'x'.repeat(5000)}HERE${'y'.repeat(5000)}`
  const [, row, caret] = formatMistake('f', text, { message: '', line: 1, column: 5001 }).split('\n')
  expect(row?.length).toBeLessThan(120)
  expect(row?.slice(caret?.indexOf('^'), (caret?.indexOf('^') ?? 0) + 4)).toBe('HERE')
})

test('tabs keep their column and control characters do not reach the terminal', () => {
  const shown = formatMistake('f', '\ta\u001b[2J: 1', { message: '', line: 1, column: 2 })
  expect(shown).toContain('  1 |  a?[2J: 1\n    |  ^')
})
