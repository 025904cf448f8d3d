import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { checkData, Message } from './message.ts'

test('bytes of another realm are bytes', () => {
  const bytes = runInNewContext('new Uint8Array([1, 2, 3])') as Uint8Array
  expect(new Message(bytes).data).toEqual(Buffer.from([1, 2, 3]))
})

test.each([
  [Object.create(null), 'an object'],
  [{ constructor: null }, 'an object'],
  [new Date(), 'Date'],
  [[], 'Array'],
  [null, 'null'],
  [7, 'number'],
])('what is no message is named (%#)', (value, name) => {
  expect(() => checkData(value)).toThrow(`expected a string or a Uint8Array as message, found ${name}`)
})
