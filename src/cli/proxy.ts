import { FairleadError } from '../core/errors.ts'
import { formatProblem, formatProblems } from '../core/options/check-options.ts'
import type { OptionProblem } from '../core/options/explain-issues.ts'
import { parseOptions } from '../gateway/parse-options.ts'
import { parseListen, parseTo } from './addresses.ts'
import { serve } from './serve.ts'

/** The flags of `fairlead proxy`, as they were typed. */
export interface ProxyFlags {
  readonly listen?: readonly string[]
  readonly to?: readonly string[]
  readonly policy?: string
  readonly logLevel?: string
  readonly logFormat?: string
}

/** `fairlead proxy`: a gateway with one pool that takes everything. */
export async function proxy(flags: ProxyFlags): Promise<number> {
  const { listen = [], to = [] } = flags
  const problems = [
    ...(listen.length === 0
      ? ['--listen: found nothing, expected where to accept, as in --listen 8080']
      : []),
    ...listen
      .filter((text) => parseListen(text) === undefined)
      .map((text) => mistake('--listen', text, listenExpectation(text))),
    ...(to.length === 0 ? ['--to: found nothing, expected a server, as in --to localhost:3001'] : []),
    ...to
      .filter((text) => parseTo(text) === undefined)
      .map((text) => mistake('--to', text, toExpectation(text))),
  ]
  if (problems.length > 0) throw invalid(problems.join('\n'))
  const result = parseOptions({
    listen: listen.map(parseListen),
    pools: { default: { policy: flags.policy, backends: to.map(parseTo) } },
    routes: [{ pool: 'default' }],
    log: { level: flags.logLevel, format: flags.logFormat },
  })
  if ('config' in result) return serve(result.config)
  throw invalid(formatProblems(result.problems, (problem) => inFlags(problem, flags)))
}

function mistake(flag: string, found: string, expected: string): string {
  return `${flag}: found ${JSON.stringify(found)}, expected ${expected}`
}

function listenExpectation(text: string): string {
  const port = /:?(\d+)$/.exec(text)?.[1]
  if (Number(port) > 65_535) return 'a port from 0 to 65535'
  if (/^[a-z][^:]*:\d+$/i.test(text))
    return 'an IP address of this machine, as in 127.0.0.1:8080, or a port alone'
  return '8080, 127.0.0.1:8080, [::1]:8080 or unix:/path'
}

function toExpectation(text: string): string {
  if (/^(https|wss):/i.test(text)) return 'a backend without TLS: http://host:port or host:port'
  if (/^(http|ws):\/\/[^/]+\/./i.test(text)) return 'a backend without path: paths are passed on as they are'
  return 'host:port, [ipv6]:port, unix:/path, http://host:port, or a port of this machine'
}

/** Names the flag a problem came from instead of the place in the options. */
function inFlags(problem: OptionProblem, flags: ProxyFlags): string {
  const [section, key, , index] = problem.path
  if (section === 'log') return formatProblem({ ...problem, field: `--log-${key}` })
  if (section === 'listen') return formatProblem({ ...problem, field: '--listen' })
  if (index === undefined) return formatProblem({ ...problem, field: '--policy' })
  return formatProblem({ ...problem, field: '--to', found: JSON.stringify(flags.to?.[Number(index)]) })
}

function invalid(message: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false })
}
