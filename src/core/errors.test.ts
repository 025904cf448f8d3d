import { expect, test } from 'vitest'
import { FairleadError } from './errors.ts'

test('an error says what happened, whose fault it is and whether to try again', () => {
  const error = new FairleadError('BACKEND_REFUSED', 'nobody listens', { source: 'backend', retryable: true })
  expect(error).toBeInstanceOf(Error)
  expect(error.name).toBe('FairleadError')
  expect(error.message).toBe('nobody listens')
  expect([error.code, error.source, error.retryable]).toEqual(['BACKEND_REFUSED', 'backend', true])
})

test('an error has a cause only when it was given one', () => {
  const cause = new Error('ECONNREFUSED')
  const details = { source: 'backend', retryable: true } as const
  expect(new FairleadError('BACKEND_REFUSED', 'x', { ...details, cause }).cause).toBe(cause)
  expect('cause' in new FairleadError('BACKEND_REFUSED', 'x', details)).toBe(false)
})
