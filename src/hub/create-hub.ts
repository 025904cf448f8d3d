import { FairleadError } from '../core/errors.ts'
import { checkOptions, formatProblems } from '../core/options/check-options.ts'
import { randomId } from './connection-ids.ts'
import { Hub } from './hub.ts'
import { HubCore } from './hub-core.ts'
import { consoleLog, harmless } from './log.ts'
import {
  type DataOf,
  type HubOptions,
  hubOptions,
  type OtherHubOptions,
  type Refusal,
  type Welcome,
} from './options.ts'
import type { HandshakeRequest } from './transport.ts'

/**
 * Makes a hub from options. With a cluster it begins to join at once, and does not wait for it.
 * @throws FairleadError `CONFIG_INVALID` naming every mistake in the options
 */
export function createHub<Verdict extends Welcome<unknown> | Refusal, UserData extends DataOf<Verdict>>(
  options: OtherHubOptions & {
    authenticate: (request: HandshakeRequest) => Verdict | Promise<Verdict>
  },
): Hub<UserData>
export function createHub<UserData = undefined>(options?: HubOptions<UserData>): Hub<UserData>
export function createHub(options: HubOptions<unknown> = {}): Hub<unknown> {
  const checked = checkOptions(hubOptions, options)
  if ('problems' in checked) {
    const problems = formatProblems(checked.problems)
    throw new FairleadError('CONFIG_INVALID', `the hub's options are not valid:\n${problems}`, {
      source: 'config',
      retryable: false,
    })
  }
  const { config } = checked
  return new Hub(new HubCore(config, config.node ?? randomId(), harmless(config.log ?? consoleLog)))
}
