import { expect, test } from 'vitest'
import { cookieValue } from './cookie.ts'
import { Fields } from './fields.ts'

test.each([
  [['user=7'], '7'],
  [['a=1; user=7; b=2'], '7'],
  [['a=1;user="7" '], '7'],
  [['a=1', 'user=7'], '7'],
  [['user=7; user=8'], '7'],
  [['user=a=b'], 'a=b'],
  [['user='], ''],
  [['xuser=7; user2=8; a=user'], undefined],
  [['user'], undefined],
  [['User=7'], undefined],
  [[], undefined],
])('in the cookies %j the value of user is %j', (lines, expected) => {
  const fields = new Fields()
  for (const line of lines) fields.add('Cookie', line)
  expect(cookieValue(fields, 'user')).toBe(expected)
})
