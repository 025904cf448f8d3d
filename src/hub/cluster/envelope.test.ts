import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Address, Order } from '../local.ts'
import { beginOrders, decode, encode, type NodeMessage, writeOrder } from './envelope.ts'

const text = fc.string({ maxLength: 200, unit: 'grapheme' })
const whole = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.record({ kind: fc.constant('room' as const), name: text }),
  fc.record({ kind: fc.constant('user' as const), id: text }),
  fc.record({ kind: fc.constant('connection' as const), id: text }),
  fc.record({ kind: fc.constant('everybody' as const) }),
)
const order: fc.Arbitrary<Order> = fc.oneof(
  fc.record({
    do: fc.constant('send' as const),
    data: fc.oneof(text, fc.uint8Array()),
    except: fc.option(text),
    key: fc.option(text),
    position: fc.constant(null),
  }),
  fc.record({
    do: fc.constant('close' as const),
    reason: fc.record({ code: fc.integer({ min: 3000, max: 4999 }), reason: fc.string({ maxLength: 40 }) }),
  }),
  fc.record({ do: fc.constantFrom('join' as const, 'leave' as const), room: text }),
)
const users = fc.array(fc.tuple(text, whole), { maxLength: 20 })
const message: fc.Arbitrary<NodeMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('orders' as const),
    orders: fc.array(fc.record({ to: address, order }), { maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('delta' as const), room: text, from: whole, to: whole, users }),
  fc.record({ kind: fc.constant('digest' as const), room: text, version: whole }),
  fc.record({ kind: fc.constant('sync' as const), rooms: fc.array(text) }),
  fc.record({
    kind: fc.constant('snapshot' as const),
    rooms: fc.array(
      fc.record({
        room: text,
        version: whole,
        part: fc.integer({ min: 0, max: 5 }),
        parts: fc.integer({ min: 6, max: 9 }),
        users,
      }),
      { maxLength: 4 },
    ),
  }),
  fc.record({ kind: fc.constant('question' as const), id: whole, name: text, value: text }),
  fc.record({
    kind: fc.constant('answer' as const),
    id: whole,
    outcome: fc.constantFrom('ok' as const, 'failed' as const, 'unknown' as const),
    value: text,
  }),
  fc.record({ kind: fc.constant('event' as const), name: text, value: text }),
  fc.record({ kind: fc.constant('probe' as const), count: whole }),
)

test('what a node says is what the others read', () => {
  fc.assert(
    fc.property(message, whole, whole, (said, incarnation, session) => {
      expect(decode(encode({ id: 'n1', incarnation, session }, said))).toEqual({
        node: 'n1',
        incarnation,
        session,
        message: said,
      })
    }),
    { numRuns: 500 },
  )
})

test('orders that are added one by one are one message', () => {
  const orders = [1, 2, 3].map((number) => ({
    to: { kind: 'room', name: 'r' } as const,
    order: { do: 'join', room: `${number}` } as const,
  }))
  const writer = beginOrders({ id: 'n', incarnation: 7, session: 0 })
  for (const each of orders) writeOrder(writer, each)
  expect(decode(writer.finish())?.message).toEqual({ kind: 'orders', orders })
})

test('bytes that are nothing of the kind are null, and never an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(9), (bytes, kind) => {
      decode(bytes)
      decode(Uint8Array.of(1, kind, 1, 0x6e, 1, ...bytes))
    }),
    { numRuns: 2000 },
  )
  expect(decode(new Uint8Array())).toBeNull()
  expect(decode(Uint8Array.of(2, 0, 1, 0x6e, 1))).toBeNull()
})

test('a message that is cut short is null', () => {
  const whole = encode(
    { id: 'node', incarnation: 5, session: 0 },
    { kind: 'event', name: 'name', value: '"value"' },
  )
  for (let length = 0; length < whole.length; length++) expect(decode(whole.subarray(0, length))).toBeNull()
})

test('a text keeps what looks like a byte order mark', () => {
  const said = { kind: 'event', name: '\ufeffname', value: '"\ufeff"' } as const
  expect(decode(encode({ id: 'n', incarnation: 1, session: 0 }, said))?.message).toEqual(said)
})

test.each([0, 1005, 1006, 1015, 5000, 70_000])(
  'an order to close with %d, which nobody may send, is left out, and no other with it',
  (code) => {
    const order = { do: 'close', reason: { code, reason: '' } } as const
    const good = { to: { kind: 'room', name: 'r' }, order: { do: 'join', room: 's' } } as const
    const orders = [good, { to: { kind: 'everybody' }, order }, good] as const
    expect(
      decode(encode({ id: 'n', incarnation: 1, session: 0 }, { kind: 'orders', orders }))?.message,
    ).toEqual({
      kind: 'orders',
      orders: [good, good],
      unread: 1,
    })
  },
)

test('a reason for a Close is cut to what fits', () => {
  const order = { do: 'close', reason: { code: 4000, reason: 'x'.repeat(200) } } as const
  const orders = [{ to: { kind: 'everybody' }, order }] as const
  const cut = { ...order, reason: { code: 4000, reason: 'x'.repeat(123) } }
  expect(
    decode(encode({ id: 'n', incarnation: 1, session: 0 }, { kind: 'orders', orders }))?.message,
  ).toEqual({
    kind: 'orders',
    orders: [{ to: { kind: 'everybody' }, order: cut }],
  })
})

test('an order of a kind that a newer version has is left out, and no other with it', () => {
  const good = { to: { kind: 'room', name: 'r' }, order: { do: 'join', room: 's' } } as const
  const writer = beginOrders({ id: 'n', incarnation: 1, session: 0 })
  writeOrder(writer, good)
  const mark = writer.begin()
  writer
    .byte(0)
    .text('r')
    .byte(99)
    .text('whatever it is')
    .number(2 ** 40)
  writer.end(mark)
  writeOrder(writer, good)
  expect(decode(writer.finish())?.message).toEqual({ kind: 'orders', orders: [good, good], unread: 1 })
})
