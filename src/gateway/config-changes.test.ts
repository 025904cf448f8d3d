import { expect, test } from 'vitest'
import { configChanges } from './config-changes.ts'
import type { GatewayOptions } from './options.ts'
import { checkedOptions } from './parse-options.ts'

const base: GatewayOptions = {
  listen: [{ port: 1 }, { port: 2, host: '::1' }],
  pools: { a: { backends: ['a:1', 'b:1'] }, b: { backends: ['a:1'] } },
  routes: [
    { match: { path: '/x' }, pool: 'a' },
    { match: { host: 'b.test', headers: { 'X-A': '1' } }, pool: 'b' },
  ],
}
const changes = (more: Partial<GatewayOptions>) =>
  configChanges(checkedOptions(base), checkedOptions({ ...base, ...more }))
const nothing = { added: [], removed: [], changed: [] }

test('nothing has changed when all says the same', () => {
  expect(changes({ listen: [{ port: 1 }, { host: '::1', port: 2 }] }).changed).toBe(false)
  const { a, b } = base.pools
  expect(changes({ pools: { b, a } as GatewayOptions['pools'] }).changed).toBe(false)
})

test('listeners have the names of their addresses', () => {
  const { changed, listeners } = changes({ listen: [{ port: 1 }, { path: '/run/x.sock' }] })
  expect([changed, listeners]).toEqual([
    true,
    { added: ['unix:/run/x.sock'], removed: ['[::1]:2'], changed: [] },
  ])
})

test('a backend has changed when any pool says something else about it', () => {
  const { backends, pools } = changes({
    pools: { a: { backends: ['a:1', { address: 'b:1', weight: 2 }] }, b: { backends: ['c:1'] } },
  })
  expect(backends).toEqual({ added: ['c:1'], removed: [], changed: ['a:1', 'b:1'] })
  expect(pools).toEqual({ ...nothing, changed: ['a', 'b'] })
})

test('another order of routes is a change, and those that match the same are told apart', () => {
  const [first, second] = base.routes as [GatewayOptions['routes'][number], GatewayOptions['routes'][number]]
  expect(changes({ routes: [second, first] }).routes.changed).toEqual(['b.test/ with X-A', '*/x'])
  expect(changes({ routes: [first, second, first] }).routes).toEqual({ ...nothing, added: ['*/x #2'] })
})
