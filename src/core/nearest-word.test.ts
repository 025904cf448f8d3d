import { describe, expect, test } from 'vitest'
import { nearestWord } from './nearest-word.ts'

describe('nearestWord', () => {
  test.each([
    ['backend', ['policy', 'backends'], 'backends'],
    ['adress', ['address', 'weight'], 'address'],
    ['prot', ['port', 'host'], 'port'],
    ['TIMEOUTS', ['timeouts', 'limits'], 'timeouts'],
    ['timout', ['limits', 'timeouts'], 'timeouts'],
  ])('%s among %j means %s', (word, candidates, expected) => {
    expect(nearestWord(word, candidates)).toBe(expected)
  })

  test.each([
    ['x', ['port', 'host']],
    ['ssl', ['port', 'host']],
    ['certificate', ['listen', 'pools']],
    ['a'.repeat(10_000), ['listen']],
    ['port', []],
  ])('nothing is suggested when nothing is near (%#)', (word, candidates) => {
    expect(nearestWord(word, candidates)).toBeUndefined()
  })
})
