import { describe, expect, test } from 'vitest'
import { mark, repeatedShift } from './field-names.ts'
import { Fields, isFieldValue, listContains, listMembers, trimWhitespace } from './fields.ts'

function fields(...pairs: [string, string][]): Fields {
  const made = new Fields()
  for (const [name, value] of pairs) made.add(name, value)
  return made
}

describe('Fields', () => {
  test('keep order and spelling, and are found by lower-case name', () => {
    const made = fields(['X-A', '1'], ['Host', 'h'], ['x-a', '2'])
    expect(made.length).toBe(3)
    expect(made.names).toEqual(['X-A', 'Host', 'x-a'])
    expect(made.get('x-a')).toBe('1')
    expect(made.all('x-a')).toEqual(['1', '2'])
    expect(made.has('host')).toBe(true)
    expect(made.has('Host')).toBe(false)
    expect(made.get('none')).toBeUndefined()
    expect(made.all('none')).toEqual([])
  })

  test('marks say which fields are there and which are repeated', () => {
    const made = fields(['Host', 'a'], ['TE', 'x'], ['Connection', 'x'])
    expect(made.marks).toBe(mark.host | mark.te | mark.connection | mark.hop)
    made.add('HOST', 'b')
    expect(made.marks >>> repeatedShift).toBe(mark.host)
  })

  test('removing a name removes all of its fields and its marks', () => {
    const made = fields(['Host', 'a'], ['X', '1'], ['host', 'b'], ['Y', '2'])
    made.remove('host')
    expect(made.names).toEqual(['X', 'Y'])
    expect(made.values).toEqual(['1', '2'])
    expect(made.marks).toBe(0)
  })
})

describe('comma-separated lists', () => {
  test.each([
    ['close', true],
    ['CLOSE', true],
    ['keep-alive,\tclose', true],
    [',close,', true],
    ['closed', false],
    ['"close"', false],
    ['x-close', false],
    ['close x', false],
    ['', false],
  ])('%j contains close: %s', (value, expected) => {
    expect(listContains(value, 'close')).toBe(expected)
  })

  test('members come in lower case and without the empty ones', () => {
    expect(listMembers(' A,,\tb , C d,')).toEqual(['a', 'b', 'c d'])
  })

  test('only spaces and tabs are whitespace', () => {
    expect(trimWhitespace('\t a\x0b \t')).toBe('a\x0b')
    expect(trimWhitespace('\xa0')).toBe('\xa0')
  })
})

describe('isFieldValue', () => {
  test.each([
    ['', true],
    ['a\tb \xff', true],
    ['a\r\nb', false],
    ['a\nb', false],
    ['a\0', false],
    ['\x7f', false],
    ['\u010a', false],
    ['☃', false],
  ])('%j: %s', (text, expected) => {
    expect(isFieldValue(text)).toBe(expected)
  })
})
