import { describe, expect, test } from 'vitest'
import { parseAuthority } from './authority.ts'

describe('parseAuthority', () => {
  test.each([
    ['a', 'a', -1],
    ['A-b_c~d.E:0', 'a-b_c~d.e', 0],
    ['a:65535', 'a', 65_535],
    ['a.:1', 'a', 1],
    ['1.2.3.4', '1.2.3.4', -1],
    ['[::]', '[::]', -1],
    ['[::1]:1', '[::1]', 1],
    ['[1::]', '[1::]', -1],
    ['[1:2:3:4:5:6:7:8]', '[1:2:3:4:5:6:7:8]', -1],
    ['[1:2:3:4:5:6:1.2.3.4]', '[1:2:3:4:5:6:1.2.3.4]', -1],
    ['[::ffff:1.2.3.4]', '[::ffff:1.2.3.4]', -1],
    ['[FE80::ABCD]', '[fe80::abcd]', -1],
  ])('%s is host %s, port %i', (text, host, port) => {
    expect(parseAuthority(text)).toEqual({ host, port })
  })

  test.each([
    '',
    '.',
    'a..b',
    'a:',
    'a:65536',
    'a:1e3',
    'a: 1',
    'a{b',
    'a@b',
    'a[b',
    '[]',
    '[:]',
    '[:::]',
    '[1::2::3]',
    '[1:2:3:4:5:6:7]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1:2:3:4:5:6:7::8]',
    '[12345::]',
    '[g::]',
    '[1.2.3.4::]',
    '[::1.2.3]',
    '[::1.2.3.256]',
    '[::01.2.3.4]',
    '[1:2:3:4:5:6:7:1.2.3.4]',
    '[::1%eth0]',
    '[::1]:',
    '[::1]80',
    '[[::1]]',
  ])('%j is none', (text) => {
    expect(parseAuthority(text)).toBeNull()
    // The latest answer is remembered: it must be the same when asked again.
    expect(parseAuthority(text)).toBeNull()
  })
})
