import { expect, test } from 'vitest'
import { AddressBook } from './address-book.ts'
import type { FoundAddress } from './lookup.ts'

type Families = readonly (readonly FoundAddress[] | null)[]

const at = (address: string, ttl = 10): FoundAddress => ({ address, ttl })

/** A book whose name servers say what the test says; an error where there is nothing. */
function book(says: Record<string, Families>) {
  const addresses = async (name: string): Promise<Families> => {
    const families = says[name]
    if (families === undefined) throw new Error(`${name}: the name server failed`)
    return families
  }
  return new AddressBook({ addresses })
}

test('a family that cannot be found out now has the addresses of the last time', async () => {
  const says: Record<string, Families> = { a: [[at('127.0.0.1')], [at('::1')]] }
  const { find } = bound(book(says))
  expect(await find(['a'])).toEqual({ a: ['127.0.0.1', '::1'] })
  says.a = [null, [at('::2')]]
  expect(await find(['a'])).toEqual({ a: ['127.0.0.1', '::2'] })
  // It is known that there are none: that is an answer.
  says.a = [[], [at('::2')]]
  expect(await find(['a'])).toEqual({ a: ['::2'] })
})

test('a name that cannot be found out now has those of the last time, unless it is the only one', async () => {
  const says: Record<string, Families> = { a: [[at('127.0.0.1')]], b: [[at('127.0.0.2')]] }
  const { find } = bound(book(says))
  await find(['a', 'b'])
  delete says.b
  expect(await find(['a', 'b'])).toEqual({ a: ['127.0.0.1'], b: ['127.0.0.2'] })
  await expect(find(['b'])).rejects.toThrow('b: the name server failed')
})

test('a name that is not asked for any more is forgotten', async () => {
  const says: Record<string, Families> = { a: [[at('127.0.0.1')]], b: [[at('127.0.0.2')]] }
  const { find } = bound(book(says))
  await find(['a', 'b'])
  await find(['a'])
  delete says.b
  expect(await find(['a', 'b'])).toEqual({ a: ['127.0.0.1'] })
})

test('the shortest TTL counts, and none when something could not be found out', async () => {
  const says: Record<string, Families> = {
    a: [[at('127.0.0.1', 60), at('127.0.0.2', 30)]],
    b: [[at('127.0.0.3', 20)]],
  }
  const asked = book(says)
  expect((await asked.find(['a', 'b'])).ttl).toBe(20)
  delete says.b
  expect((await asked.find(['a', 'b'])).ttl).toBe(0)
})

function bound(asked: AddressBook) {
  return { find: async (names: string[]) => Object.fromEntries((await asked.find(names)).found) }
}
