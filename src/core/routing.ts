/** What a request must match; without any condition it takes everything. */
export interface RouteMatch {
  /** A host name, or `*.example.com` for every name below `example.com`, at any depth; not `example.com`. */
  readonly host?: string | undefined
  /**
   * A string or `{ prefix }` takes the path and what is below it: `/chat` takes `/chat` and `/chat/a`, not
   * `/chatter`; `/chat/` takes only what begins with it. `{ exact }` takes just this path.
   */
  readonly path?: string | { readonly exact: string } | { readonly prefix: string } | undefined
  /** Header names and the exact value each must have; `*` takes any value. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface RouteRule {
  readonly match?: RouteMatch | undefined
}

/** Gives the value of a header by its name in lower case. */
export interface HeaderLookup {
  get(name: string): string | undefined
}

/**
 * The index of the first rule that takes the request, or -1.
 * @param host name of the host without port, in any case; an IPv6 address in brackets
 * @param path the normalized path without query
 */
export type RouteMatcher = (host: string, path: string, headers: HeaderLookup) => number

/** One rule, ready to be compared. Null and empty mean: no such condition. */
interface CompiledRule {
  /** In lower case; `.example.com` where `hostBelow`. */
  readonly host: string | null
  readonly hostBelow: boolean
  readonly path: string | null
  readonly pathBelow: boolean
  readonly headers: readonly { readonly name: string; readonly value: string }[]
}

/** Rules are tried in their order. */
export function compileRoutes(rules: readonly RouteRule[]): RouteMatcher {
  const compiled = rules.map((rule) => compileRule(rule.match ?? {}))
  const first = compiled[0]
  if (first !== undefined && takesEverything(first)) return () => 0
  const anyHost = compiled.every((rule) => rule.host === null)
  return (host, path, headers) => {
    const name = anyHost ? host : normalizeHost(host)
    for (let index = 0; index < compiled.length; index++) {
      const rule = compiled[index] as CompiledRule
      if (hostMatches(rule, name) && pathMatches(rule, path) && headersMatch(rule, headers)) return index
    }
    return -1
  }
}

function compileRule({ host, path, headers }: RouteMatch): CompiledRule {
  const hostBelow = host?.startsWith('*.') ?? false
  const exact = typeof path === 'object' && 'exact' in path
  return {
    host: host === undefined ? null : normalizeHost(hostBelow ? host.slice(1) : host),
    hostBelow,
    path: path === undefined ? null : pathText(path),
    pathBelow: !exact,
    headers: Object.entries(headers ?? {}).map(([name, value]) => ({ name: name.toLowerCase(), value })),
  }
}

function pathText(path: NonNullable<RouteMatch['path']>): string {
  if (typeof path === 'string') return path
  return 'exact' in path ? path.exact : path.prefix
}

function takesEverything(rule: CompiledRule): boolean {
  return rule.host === null && rule.path === null && rule.headers.length === 0
}

/** The dot that ends a fully qualified name is not a different host. */
function normalizeHost(host: string): string {
  const lower = host.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

function hostMatches(rule: CompiledRule, host: string): boolean {
  if (rule.host === null) return true
  // Below `.example.com` there has to be at least one more character.
  return rule.hostBelow ? host.length > rule.host.length && host.endsWith(rule.host) : host === rule.host
}

function pathMatches(rule: CompiledRule, path: string): boolean {
  const wanted = rule.path
  if (wanted === null || path === wanted) return true
  if (!rule.pathBelow || !path.startsWith(wanted)) return false
  return wanted.endsWith('/') || path.charCodeAt(wanted.length) === 47
}

function headersMatch(rule: CompiledRule, headers: HeaderLookup): boolean {
  for (const { name, value } of rule.headers) {
    const actual = headers.get(name)
    if (actual === undefined || (value !== '*' && actual !== value)) return false
  }
  return true
}
