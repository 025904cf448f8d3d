import type { Gateway } from '../gateway/gateway.ts'
import type { GatewayConfig, ListenerConfig } from '../gateway/options.ts'
import { describePolicy } from '../gateway/policy-options.ts'
import { version } from './version.ts'

/** `fairlead 0.1.0 on Bun 1.4.5 (pid 123)`. */
export function runtimeLine(): string {
  const { bun, node } = process.versions
  const runtime = bun === undefined ? `Node ${node}` : `Bun ${bun}`
  return `fairlead ${version} on ${runtime} (pid ${process.pid})`
}

/** Where the gateway listens, and what is behind it. */
export function servingLines(gateway: Pick<Gateway, 'listeners'>, config: GatewayConfig): string[] {
  return [
    ...gateway.listeners.map(
      ({ address }, index) => `listening on ${address}${everywhere(config.listen[index])}`,
    ),
    ...Object.entries(config.pools).map(([name, pool]) => poolLine(name, pool)),
  ]
}

function everywhere(listener: ListenerConfig | undefined): string {
  const open = listener !== undefined && 'port' in listener && listener.host === undefined
  return open ? ' (every address of this machine)' : ''
}

/** A pool may have thousands of backends, a terminal has not as many lines. */
const mostShown = 8

function poolLine(name: string, { policy, backends }: GatewayConfig['pools'][string]): string {
  if (backends.length === 0) return `pool ${name}, ${describePolicy(policy)}: no backends yet`
  const shown = backends
    .slice(0, mostShown)
    .map(({ address, weight }) => (weight === 1 ? address : `${address} (weight ${weight})`))
  const more = backends.length > mostShown ? ` and ${backends.length - mostShown} more` : ''
  return `pool ${name}, ${describePolicy(policy)}: ${shown.join(', ')}${more}`
}
