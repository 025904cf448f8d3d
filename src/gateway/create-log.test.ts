import { describe, expect, test } from 'vitest'
import { FairleadError } from '../core/errors.ts'
import { createLog } from './create-log.ts'

/** A log that collects its lines. */
function collect(options: { level?: 'debug' | 'info' | 'silent'; format?: 'auto' | 'json' | 'pretty' } = {}) {
  const lines: string[] = []
  const log = createLog(
    { level: options.level ?? 'info', format: options.format ?? 'auto', access: true },
    { write: (text) => lines.push(text) },
  )
  return { log, lines, first: () => JSON.parse(lines[0] as string) }
}

describe('JSON', () => {
  test('a line carries level, time, fields and message', () => {
    const { log, first } = collect()
    log.info({ event: 'request.finished', status: 200 }, 'GET /')
    expect(first()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      event: 'request.finished',
      status: 200,
      msg: 'GET /',
    })
  })

  test('lines below the level are not written', () => {
    const { log, lines } = collect()
    log.debug({}, 'no')
    log.warn({}, 'yes')
    expect(lines).toHaveLength(1)
  })

  test('level and format may change while it is used', () => {
    const { log, lines } = collect()
    log.adjust({ level: 'debug', format: 'pretty', access: true })
    log.debug({}, 'now seen')
    expect(lines[0]).toMatch(/^\S+ .*now seen\n$/)
    log.adjust({ level: 'error', format: 'json', access: true })
    log.warn({}, 'no')
    log.error({}, 'as JSON')
    expect(lines.slice(1).map((line) => JSON.parse(line).msg)).toEqual(['as JSON'])
  })

  test('silent writes nothing', () => {
    const { log, lines } = collect({ level: 'silent' })
    log.error({}, 'no')
    expect(lines).toEqual([])
  })

  test("an error that is somebody else's has a code and no stack", () => {
    const { log, first } = collect()
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    const details = { source: 'backend', retryable: true, cause } as const
    log.warn({ err: new FairleadError('BACKEND_REFUSED', 'b1 refused', details) }, 'failed')
    expect(first().err).toMatchObject({ code: 'BACKEND_REFUSED', message: 'b1 refused' })
    expect(first().err.stack).toBeUndefined()
    expect(first().err.cause).toEqual({ code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' })
  })

  test('an error of our own has its stack', () => {
    const { log, first } = collect()
    log.error({ error: new TypeError('x is not a function') }, 'failed')
    expect(first().error.stack).toContain('create-log.test')
  })
})

describe('pretty', () => {
  test('a line shows level, message and fields', () => {
    const { log, lines } = collect({ format: 'pretty' })
    log.info({ event: 'backend.ejected', count: 2, path: '/a b' }, 'it happened')
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}it happened count=2 path="\/a b"\n$/)
  })

  test('an access line begins with what people look for', () => {
    const { log, lines } = collect({ format: 'pretty' })
    const fields = { event: 'request.completed', requestId: 'r1', method: 'GET', host: 'a', path: '/b' }
    log.info({ ...fields, status: 200 }, 'request')
    expect(lines[0]).toMatch(/INFO {2}request GET a \/b 200 requestId=r1\n$/)
  })

  test('an error code alone is a field like others', () => {
    const { log, lines } = collect({ format: 'pretty' })
    log.info({ error: 'reset' }, 'tunnel closed')
    expect(lines[0]).toMatch(/INFO {2}tunnel closed error=reset\n$/)
  })

  test('a stack stands below its line', () => {
    const { log, lines } = collect({ format: 'pretty' })
    log.error({ err: new Error('broken') }, 'failed')
    expect(lines[0]).toMatch(/ERROR failed\n {6}Error: broken\n {10}at /)
  })

  test('nothing from a peer can steer the terminal', () => {
    const { log, lines } = collect({ format: 'pretty' })
    log.info({ path: '/\u001b[2J\u009b1m', note: 'a\nb' }, 'GET \u001b[31m\r')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(lines[0]?.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
  })
})
