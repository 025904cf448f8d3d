import { FairleadError } from '../core/errors.ts'
import { formatProblems } from '../core/options/check-options.ts'
import { socketPort } from '../net/socket-port.ts'
import { createLog } from './create-log.ts'
import { Gateway } from './gateway.ts'
import type { Log } from './log.ts'
import type { GatewayOptions } from './options.ts'
import { parseOptions } from './parse-options.ts'

/** What a program may bring along. */
export interface GatewayExtras {
  /** Where the log goes instead of standard output, such as your own `pino` logger. */
  readonly log?: Log
}

/**
 * Makes a gateway from options, without I/O: call `start()`.
 * @throws FairleadError `CONFIG_INVALID` naming every mistake in the options
 */
export function createGateway(options: GatewayOptions, extras: GatewayExtras = {}): Gateway {
  const parsed = parseOptions(options)
  if ('problems' in parsed) {
    throw new FairleadError(
      'CONFIG_INVALID',
      `the gateway's options are not valid:\n${formatProblems(parsed.problems)}`,
      {
        source: 'config',
        retryable: false,
      },
    )
  }
  const { config } = parsed
  return new Gateway(config, { sockets: socketPort, log: extras.log ?? createLog(config.log) })
}
