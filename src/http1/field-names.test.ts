import { describe, expect, test } from 'vitest'
import { fieldName, fieldNameAt, hashStep, isToken, mark } from './field-names.ts'

function at(name: string) {
  const bytes = Buffer.from(`xx${name}xx`, 'latin1')
  let hash = 0
  for (let i = 2; i < bytes.length - 2; i++) hash = hashStep(hash, bytes[i] as number)
  return fieldNameAt(bytes, 2, bytes.length - 2, hash)
}

describe('field names', () => {
  test('are the same from bytes and from text, in every spelling', () => {
    for (const name of ['Host', 'host', 'hOsT', 'X-Custom', 'x'.repeat(200), 'transfer-encoding']) {
      for (const found of [at(name), at(name), fieldName(name)]) {
        expect(found.name).toBe(name)
        expect(found.key).toBe(name.toLowerCase())
      }
    }
    expect(at('TRANSFER-encoding').marks).toBe(mark.transferEncoding | mark.hop)
    expect(fieldName('PROXY-anything').marks).toBe(mark.hop)
    expect(fieldName('proxyx').marks).toBe(0)
  })

  test('stay right when more names come than the table holds', () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 5000; i++) expect(at(`X-${i}`).name).toBe(`X-${i}`)
      expect(at('Content-Length').marks).toBe(mark.contentLength)
    }
  })

  test('are tokens (RFC 9110 §5.6.2)', () => {
    for (const text of ['a', "!#$%&'*+-.^_`|~09AZaz"]) expect(isToken(text)).toBe(true)
    for (const text of ['', 'a b', 'a:', 'a/', '"a"', 'é', '☃', 'a\0', '(', '@', '{'])
      expect(isToken(text)).toBe(false)
  })
})
