import { expect, test } from 'vitest'
import { Outbox, type OutboxMember } from './outbox.ts'

test('one that throws does not keep those behind it from sending', async () => {
  const outbox = new Outbox<OutboxMember>()
  const flushed: string[] = []
  outbox.add({ flush: () => void flushed.push('before') })
  outbox.add({
    flush() {
      throw new Error('of the transport')
    },
  })
  outbox.add({ flush: () => void flushed.push('behind') })
  outbox.add({ flush: () => void flushed.push('last') })
  expect(() => outbox.flush()).toThrow('of the transport')
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(flushed).toEqual(['before', 'behind', 'last'])
})
