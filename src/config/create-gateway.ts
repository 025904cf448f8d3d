import { createLog } from '../gateway/create-log.ts'
import type { DiscoverySource } from '../gateway/discovery.ts'
import { Gateway } from '../gateway/gateway.ts'
import type { Log } from '../gateway/log.ts'
import type { GatewayOptions } from '../gateway/options.ts'
import { checkedOptions } from '../gateway/parse-options.ts'
import { socketPort } from '../net/socket-port.ts'
import { sourcesOf } from './sources.ts'

/** What a program may bring along. */
export interface GatewayExtras {
  /** Where the log goes instead of standard output, such as your own `pino` logger. */
  readonly log?: Log
  /** What `discover: { source: name }` of a pool means: makes a source, anew for each gateway. */
  readonly sources?: Readonly<Record<string, () => DiscoverySource>>
}

/**
 * Makes a gateway from options, without I/O: call `start()`.
 * @throws FairleadError `CONFIG_INVALID` naming every mistake in the options
 */
export function createGateway(options: GatewayOptions, extras: GatewayExtras = {}): Gateway {
  const config = checkedOptions(options)
  const parts = { sockets: socketPort, openSource: sourcesOf(extras.sources) }
  if (extras.log !== undefined) return new Gateway(config, { ...parts, log: extras.log })
  const log = createLog(config.log)
  return new Gateway(config, { ...parts, log, logOptions: (changed) => log.adjust(changed) })
}
