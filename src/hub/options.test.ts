import { describe, expect, test } from 'vitest'
import type { ClusterDriver, RegistryDriver } from './cluster.ts'
import { combine } from './combine.ts'
import { createHub } from './create-hub.ts'

/** What `createHub` says about options. */
function complaint(options: unknown): string {
  try {
    createHub(options as never)
  } catch (error) {
    expect(error).toMatchObject({
      name: 'FairleadError',
      code: 'CONFIG_INVALID',
      source: 'config',
      retryable: false,
    })
    return (error as Error).message
  }
  return ''
}

describe('the options of a hub', () => {
  test('may be left out', () => {
    expect(createHub().stats().connections).toBe(0)
  })

  test('of a cluster are checked, too', () => {
    const message = complaint({
      cluster: 'redis://me:hunter2@127.0.0.1',
      namespace: 'a b',
      lease: { beat: '8s' },
      presenceGrace: 5,
      maxRecovered: 0,
      rooms: { 'chat-*': { presense: true, history: { size: 0, age: 'long', stamp: true } } },
    })
    expect(message.split('\n').slice(1)).toEqual([
      'cluster: found "redis://***@127.0.0.1", expected a driver, such as redis(\'redis://127.0.0.1:6379\') of fairlead/redis',
      "namespace: found \"a b\", expected 1 to 64 letters, digits, '_' or '-'",
      'lease: found a map, expected beat < suspect < dead, because one lost beat is no death, not 8 s, 7 s and 15 s',
      expect.stringMatching(/^presenceGrace: found 5, expected a duration/),
      'maxRecovered: found 0, expected a whole number from 1 to 100000',
      'rooms["chat-*"].history.size: found 0, expected a whole number from 1 to 100000',
      expect.stringMatching(/^rooms\["chat-\*"\]\.history\.age: found "long", expected a duration/),
      'rooms["chat-*"].history.stamp: found true, expected a function',
      'rooms["chat-*"].presense: found an unknown key, expected presence or history (did you mean \'presence\'?)',
    ])
  })

  test('that are a map or nothing are not `true`', () => {
    const message = complaint({ heartbeat: true, rooms: { a: { history: true } } })
    expect(message.split('\n').slice(1)).toEqual([
      'heartbeat: found true, expected a map with interval and timeout, or false',
      'rooms.a.history: found true, expected a map with size, age and stamp, or false',
    ])
  })

  test('of a log are all three, which are functions', () => {
    const log = { warn() {}, error() {} }
    const found = 'log: found a map, expected a logger with info, warn and error'
    expect(complaint({ log })).toContain(found)
    expect(complaint({ log: { ...log, info: true } })).toContain(found)
  })

  test('of a cluster that carries no messages say what is missing', () => {
    const registry = { name: 'etcd', connect: () => ({ registry: {} }) } as never as RegistryDriver
    const what =
      'cluster: found etcd, which carries no messages, expected combine({ bus: ..., registry: etcd(...) })'
    expect(complaint({ cluster: registry })).toBe(what)
    expect(complaint({ cluster: combine({ bus: registry as ClusterDriver, registry }) })).toBe(
      'combine: found etcd, which carries no messages, as bus, expected a driver, such as redis(...) of fairlead/redis',
    )
    expect(() => combine(undefined as never)).toThrow('combine: found nothing as bus, expected a driver')
    expect(() => combine({ bus: registry } as never)).toThrow('combine: found nothing as registry')
    expect(() => combine({ bus: registry, registry: 'etcd' } as never)).toThrow('found a string as registry')
  })

  test('are checked all at once, with field, found and expected', () => {
    const message = complaint({
      node: 'a b',
      path: 'ws',
      origins: ['example.com'],
      maxMessage: '1 MB',
      heartbeat: { interval: 25 },
      sendQueue: { whenFull: 'drop' },
      authenticate: true,
      authTimeout: '5s',
      maxConnections: 0,
      log: {},
    })
    expect(message.split('\n').slice(1).sort()).toEqual([
      expect.stringMatching(
        /^authTimeout: found an unknown key, expected node, path, authenticate, .* or log/,
      ),
      'authenticate: found true, expected a function',
      "heartbeat.interval: found 25, expected a duration with its unit, such as '250ms', '5s' or '2m', above 0 and at most '24d'",
      'log: found an empty map, expected a logger with info, warn and error',
      'maxConnections: found 0, expected a whole number from 1 to 10000000',
      'maxMessage: found "1 MB", expected a size with its unit, such as \'64KiB\', from 1B to 1073741824B',
      "node: found \"a b\", expected 1 to 64 letters, digits, '_' or '-', and no dots",
      "origins[0]: found \"example.com\", expected an origin such as 'https://example.com' or 'https://*.example.com'",
      "path: found \"ws\", expected a path that starts with '/', without '?' and '#'",
      'sendQueue.whenFull: found "drop", expected close, drop-oldest, drop-newest or conflate',
    ])
  })

  test('that are objects of the program stay as they are', () => {
    class Lines {
      last = ''
      info() {}
      warn() {}
      error() {}
    }
    const log = new Lines()
    createHub({ log, node: 'a', origins: ['https://a.example'], heartbeat: false, protocols: () => null })
    log.last = 'not frozen'
    expect(log.last).toBe('not frozen')
  })
})
