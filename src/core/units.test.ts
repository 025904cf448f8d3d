import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDuration, parseSize } from './units.ts'

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['5s', 5000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['0s', 0],
    ['0.0004s', 0],
    ['0.0005s', 1],
    ['1.000001s', 1000],
  ])('%s is %i milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  test.each([
    '',
    '5',
    's',
    '5 s',
    ' 5s',
    '5s ',
    '5S',
    '-5s',
    '+5s',
    '5.s',
    '.5s',
    '1e3s',
    '5sec',
    '5s5s',
    '٥s',
    '5s\n',
    '0x5s',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })
})

describe('sizes', () => {
  test.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['1.5GiB', 1_610_612_736],
    ['0B', 0],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  test.each(['', '64', '64kB', '64KB', '64kib', '64K', '1TiB', '-1B', 'KiB'])('%j is none', (text) => {
    expect(parseSize(text)).toBeUndefined()
  })
})

test('what is beyond exact whole numbers is none', () => {
  expect(parseDuration('9007199254740991ms')).toBeUndefined()
  expect(parseDuration('999999999999999d')).toBeUndefined()
  expect(parseSize('999999999999999GiB')).toBeUndefined()
})

test('a whole number with any unit is that number times the unit', () => {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.constantFrom(...Object.entries(units)), (value, [unit, factor]) => {
      expect(parseDuration(`${value}${unit}`)).toBe(value * factor)
    }),
  )
})

test('no text makes them throw', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(parseDuration(text) ?? 0).toBeGreaterThanOrEqual(0)
      expect(parseSize(text) ?? 0).toBeGreaterThanOrEqual(0)
    }),
  )
})
