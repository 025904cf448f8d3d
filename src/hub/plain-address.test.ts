import { expect, test } from 'vitest'
import { plainAddress } from './plain-address.ts'

test.each([
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:10.0.0.1', '10.0.0.1'],
  ['10.0.0.2', '10.0.0.2'],
  ['::ffff:0:1', '::ffff:0:1'],
  ['', ''],
  [undefined, ''],
])('the address %s is written as %s, whatever was told before', (address, expected) => {
  for (const before of ['::ffff:192.0.2.7', '', undefined, address]) {
    plainAddress(before)
    expect(plainAddress(address)).toBe(expected)
  }
})
