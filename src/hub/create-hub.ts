import { FairleadError } from '../core/errors.ts'
import { checkOptions, formatProblems } from '../core/options/check-options.ts'
import { randomId } from './connection-ids.ts'
import { Hub } from './hub.ts'
import { HubCore } from './hub-core.ts'
import { consoleLog } from './log.ts'
import { type HubOptions, hubOptions } from './options.ts'

/**
 * Makes a hub from options, without I/O.
 * @throws FairleadError `CONFIG_INVALID` naming every mistake in the options
 */
export function createHub<UserData = undefined>(options: HubOptions<UserData> = {}): Hub<UserData> {
  const checked = checkOptions(hubOptions, options)
  if ('problems' in checked) {
    const problems = formatProblems(checked.problems)
    throw new FairleadError('CONFIG_INVALID', `the hub's options are not valid:\n${problems}`, {
      source: 'config',
      retryable: false,
    })
  }
  const { config } = checked
  return new Hub<UserData>(new HubCore(config, config.node ?? randomId(), config.log ?? consoleLog))
}
