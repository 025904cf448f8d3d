import { same } from '../core/share.ts'
import type { GatewayConfig, ListenerConfig, RouteConfig } from './options.ts'

/** Names of what came, went, and is otherwise than before. */
export interface Changes {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

/** What another configuration changed. */
export interface ReloadSummary {
  /** False when it says the same as the one before, whatever it looks like: then nothing was touched. */
  readonly changed: boolean
  /** `127.0.0.1:8080`, `*:8080` or `unix:/path`. */
  readonly listeners: Changes
  /** By name. */
  readonly pools: Changes
  /** By address, whatever pools it stands in. */
  readonly backends: Changes
  /** By what they match, as in `example.com/chat`. */
  readonly routes: Changes
  /** The other sections that changed, such as `timeouts`. */
  readonly settings: readonly string[]
}

const settings = ['trustedProxies', 'timeouts', 'limits', 'log'] as const

export function configChanges(before: GatewayConfig, after: GatewayConfig): ReloadSummary {
  return {
    changed: !same(before, after),
    listeners: changesOf(listenersOf(before), listenersOf(after)),
    pools: changesOf(new Map(Object.entries(before.pools)), new Map(Object.entries(after.pools))),
    backends: changesOf(backendsOf(before), backendsOf(after)),
    routes: changesOf(routesOf(before), routesOf(after)),
    settings: settings.filter((name) => !same(before[name], after[name])),
  }
}

function changesOf(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): Changes {
  const [old, current] = [[...before.keys()], [...after.keys()]]
  return {
    added: current.filter((name) => !before.has(name)),
    removed: old.filter((name) => !after.has(name)),
    changed: current.filter((name) => before.has(name) && !same(before.get(name), after.get(name))),
  }
}

function listenersOf({ listen }: GatewayConfig): Map<string, ListenerConfig> {
  return numbered(listen.map((listener) => [listenerName(listener), listener]))
}

function listenerName(listener: ListenerConfig): string {
  if ('path' in listener) return `unix:${listener.path}`
  const { host = '*', port } = listener
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** What each pool says about an address. */
function backendsOf({ pools }: GatewayConfig): Map<string, unknown> {
  const backends = new Map<string, Record<string, unknown>>()
  for (const [name, pool] of Object.entries(pools)) {
    for (const backend of pool.backends) {
      backends.set(backend.address, { ...backends.get(backend.address), [name]: backend })
    }
  }
  return backends
}

/** Each route with its place among the others: who is tried first is part of what it does. */
function routesOf({ routes }: GatewayConfig): Map<string, unknown> {
  const named = numbered(routes.map((route) => [routeName(route), route]))
  const names = [...named.keys()]
  return new Map([...named].map(([name, route], index) => [name, { route, after: names[index - 1] }]))
}

function routeName({ match = {} }: RouteConfig): string {
  const { host = '*', path = '/', headers = {} } = match
  const where = typeof path === 'string' ? path : 'exact' in path ? `${path.exact} (exact)` : path.prefix
  const fields = Object.keys(headers)
  return `${host}${where}${fields.length === 0 ? '' : ` with ${fields.join(', ')}`}`
}

/** Those with the same name are told apart by a number. */
function numbered<Value>(entries: readonly (readonly [string, Value])[]): Map<string, Value> {
  const result = new Map<string, Value>()
  for (const [name, value] of entries) {
    let unique = name
    for (let count = 2; result.has(unique); count++) unique = `${name} #${count}`
    result.set(unique, value)
  }
  return result
}
