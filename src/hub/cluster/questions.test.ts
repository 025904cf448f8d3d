import { expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import type { NodeMessage } from './envelope.ts'
import { Members } from './members.ts'
import { Questions } from './questions.ts'
import { relayed } from './relay.ts'

test('an answer that cannot be JSON is a failed one', async () => {
  const said: NodeMessage[] = []
  const questions = new Questions({
    self: 'a',
    clock: systemClock,
    members: new Members('a'),
    timeout: 1_000,
    async say(_channel, message) {
      said.push(message)
      return relayed('relayed')
    },
  })
  questions.answer('app:large', () => 1n)
  await questions.asked('b', { kind: 'question', id: 7, name: 'app:large', value: 'null' })
  expect(said).toEqual([{ kind: 'answer', id: 7, outcome: 'failed', value: 'null' }])
})
