import { expect, test } from 'vitest'
import { LogLines } from '../../test/gateway/support/log-lines.ts'
import { Emitter } from '../core/emitter.ts'
import { checkedOptions } from './parse-options.ts'
import { type ReloadHost, reload } from './reload.ts'

const config = (backend: string) =>
  checkedOptions({
    listen: [{ port: 0 }],
    pools: { main: { backends: [backend] } },
    routes: [{ pool: 'main' }],
  })

test('a gateway that is closed at whatever moment of a reload gets nothing new', async () => {
  const done = new Set<string>()
  for (let moment = 0; moment < 40; moment++) {
    let stopping = false
    const calls: string[] = []
    const say = (what: string) => calls.push(stopping ? `${what} too late` : what)
    const listeners = {
      prepare: async () => ({
        commit: async () => void say('commit'),
        discard: async () => void calls.push('discard'),
      }),
    } as unknown as ReloadHost['listeners']
    const host: ReloadHost = {
      configured: config('127.0.0.1:1'),
      running: true,
      stopping: () => stopping,
      listeners,
      log: new LogLines(),
      events: new Emitter(),
      lookUp: async () => {},
      giveUp: () => calls.push('give up'),
      swap: () => say('swap'),
    }
    const ended = reload(host, () => config('127.0.0.1:2')).catch(() => {})
    for (let turn = 0; turn < moment; turn++) await null
    stopping = true
    await ended
    done.add(calls.join(', '))
  }
  expect([...done].sort()).toEqual(['give up, discard', 'swap, commit'])
})
