import { describe, expect, test } from 'vitest'
import { parseYaml } from './parse-yaml.ts'

function mistakesOf(text: string) {
  const parsed = parseYaml(text)
  return 'mistakes' in parsed ? parsed.mistakes : []
}

function read(text: string): unknown {
  const parsed = parseYaml(text)
  if ('mistakes' in parsed) throw new Error(JSON.stringify(parsed.mistakes))
  return parsed.value
}

describe('what is understood', () => {
  test('addresses stay text', () => {
    expect(read('[127.0.0.1:3001, localhost:80, "[::1]:1", unix:/x]')).toEqual([
      '127.0.0.1:3001',
      'localhost:80',
      '[::1]:1',
      'unix:/x',
    ])
  })

  test('names that look like numbers are names', () => {
    expect(read('pools: { 1: a, 2.0: b }')).toEqual({ pools: { '1': 'a', '2.0': 'b' } })
  })

  test('JSON is YAML, also when indented with tabs', () => {
    const value = { listen: [{ port: 1 }], text: 'a\tü\u2028"', none: null }
    expect(read(JSON.stringify(value))).toEqual(value)
    expect(read(JSON.stringify(value, null, '\t'))).toEqual(value)
  })

  test('anchors, aliases and merge keys work', () => {
    expect(read('a: &a { x: 1, y: 2 }\nb: *a\nc: { <<: *a, y: 3 }')).toEqual({
      a: { x: 1, y: 2 },
      b: { x: 1, y: 2 },
      c: { x: 1, y: 3 },
    })
  })
})

describe('mistakes have a line, a column and plain words', () => {
  test.each([
    ['a key that stands twice', 'a: 1\na: 2', 2, 1, "found the key 'a' a second time"],
    ['an unknown alias', 'a: 1\nb: *x', 2, 4, 'found the alias *x, expected an anchor &x before it'],
    ['a tab as indentation', 'a:\n\tb: 1', 2, 1, 'found a tab, expected spaces'],
    ['two documents', 'a: 1\n---\nb: 2', 2, 1, 'found a second document'],
    ['a list that does not end', 'a: [1, 2\nb: 3', 2, 1, "found no ']' for the '[' above"],
    ['a map that does not end', 'a: { b: 1\nc: 3', 2, 1, "found no '}' for the '{' above"],
    ['a quote that does not end', 'a: "1\nb: 3', 2, 5, 'found the end of the file within quotes'],
    ['a line that is not indented enough', 'a:\n  - b: 1\n c: 2', 3, 1, 'found another indentation'],
    ['a line that is indented too much', 'a:\n  b: 1\n   c: 2', 2, 6, 'found a deeper indentation'],
    ['a bare IPv6 address in brackets', 'a: [[::1]:80]', 1, 5, 'put [ipv6]:port in quotes'],
    ['a key without value', 'a: 1\nb', 2, 1, 'found a key without value'],
    ['a map as key', '? { a: 1 }\n: 2', 1, 3, 'found a list or map as a key'],
    ['an unknown tag', 'a: !secret x', 1, 4, 'not valid YAML: Unresolved tag: !secret'],
    ['a bare IPv6 address', 'a:\n  - [::1]:3001', 2, 10, 'put [ipv6]:port in quotes'],
    ['text with a colon', 'a: b: c', 1, 4, "found a second ':' on the line"],
    ['something else to merge', 'a: 1\n<<: 3', 2, 1, "found something else after '<<:'"],
  ])('%s', (_, text, line, column, message) => {
    const [mistake] = mistakesOf(text)
    expect(mistake).toMatchObject({ line, column })
    expect(mistake?.message).toContain(message)
  })

  test('all of them are told, one for each line', () => {
    expect(mistakesOf('a: 1\na: 2\nb: @x\nb: !foo 1').map(({ line }) => line)).toEqual([2, 3, 4])
  })
})

describe('hostile texts', () => {
  test('aliases that unfold without bound are refused', () => {
    let bomb = 'x0: &x0 [1,1,1,1,1,1,1,1,1,1]\n'
    for (let level = 1; level < 12; level++) {
      bomb += `x${level}: &x${level} [${Array(10)
        .fill(`*x${level - 1}`)
        .join(',')}]\n`
    }
    expect(mistakesOf(bomb)[0]?.message).toContain('found aliases that unfold into too much')
  })

  test('values nested without bound are refused', () => {
    expect(mistakesOf('['.repeat(100_000))).toHaveLength(1)
    expect(mistakesOf('['.repeat(100_000))[0]?.message).toBe('found values nested too deeply')
  })

  test('a key named __proto__ is a key and changes nothing else', () => {
    expect(Object.keys(read('__proto__: { admin: true }') as object)).toEqual(['__proto__'])
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})

describe('where a field stands', () => {
  const text = [
    'base: &base',
    '  weight: 300',
    'pools:',
    '  chat:',
    '    backends:',
    '      - a:1',
    '      - { <<: *base, address: b:1 }',
    '    extra: *base',
  ].join('\n')
  const parsed = parseYaml(text)
  const locate = 'mistakes' in parsed ? () => undefined : parsed.locate

  test.each([
    ['a value', ['pools', 'chat', 'backends', 0], 'value', 6, 9],
    ['a value in a map in a list', ['pools', 'chat', 'backends', 1, 'address'], 'value', 7, 31],
    ['a value that was merged', ['pools', 'chat', 'backends', 1, 'weight'], 'value', 2, 11],
    ['a value behind an alias', ['pools', 'chat', 'extra', 'weight'], 'value', 2, 11],
    ['a key', ['pools', 'chat', 'extra'], 'key', 8, 5],
    ['what is missing is shown at what surrounds it', ['pools', 'chat', 'policy'], 'missing', 4, 3],
    ['what is missing at the top is shown at the start', ['listen'], 'missing', 1, 1],
    ['the whole', [], 'value', 1, 1],
  ] as const)('%s', (_, path, about, line, column) => {
    expect(locate({ path, about })).toEqual({ line, column })
  })
})
