import { afterEach, expect, test, vi } from 'vitest'
import { consoleLog, harmless } from './log.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('a hub says by default what is wrong, and when that is over', () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
  consoleLog.warn({ event: 'bus.down' }, 'away')
  consoleLog.info({ event: 'bus.up' }, 'back')
  consoleLog.info({ event: 'node.joined' }, 'not worth a line')
  consoleLog.info({}, 'nor this')
  expect(warned.mock.calls.map(([text]) => text)).toEqual(['fairlead: away', 'fairlead: back'])
})

test('a log that throws does no harm, and its lines are not lost', () => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => {})
  const fail = () => {
    throw new Error('the disk is full')
  }
  harmless({ info: fail, warn: fail, error: fail }).error({ event: 'x' }, 'a handler failed')
  expect(told.mock.calls).toEqual([['fairlead: a handler failed (and the log failed: the disk is full)']])
  told.mockImplementation(fail)
  harmless({ info: fail, warn: fail, error: fail }).warn({}, 'nobody listens')
})

test('a log is called as what it is', () => {
  class Lines {
    readonly lines: string[] = []
    info(_: object, message: string) {
      this.lines.push(message)
    }
    warn = this.info
    error = this.info
  }
  const log = new Lines()
  harmless(log).info({}, 'a line')
  expect(log.lines).toEqual(['a line'])
})
