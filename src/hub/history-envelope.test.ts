import fc from 'fast-check'
import { expect, test } from 'vitest'
import { historyEnvelope, readHistoryEnvelope } from './history-envelope.ts'

test('what is put into an envelope comes out of it', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60, unit: 'grapheme-ascii' }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.uint8Array({ maxLength: 200 }),
      (epoch, offset, payload) => {
        const read = readHistoryEnvelope(historyEnvelope({ epoch, offset }, payload))
        expect(read?.position).toEqual({ epoch, offset })
        expect([...(read?.payload ?? [])]).toEqual([...payload])
      },
    ),
  )
})

test('bytes that are no envelope are null, never an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const marked = Uint8Array.of(0x48, ...bytes)
      for (const input of [bytes, marked]) {
        const read = readHistoryEnvelope(input)
        if (read !== null) expect(read.position.offset).toBeGreaterThan(0)
      }
    }),
  )
  expect(readHistoryEnvelope(new Uint8Array())).toBeNull()
  expect(readHistoryEnvelope(Uint8Array.of(0x48, 200, 1, 2))).toBeNull()
})
