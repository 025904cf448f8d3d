import { FairleadError } from '../core/errors.ts'
import { share } from '../core/share.ts'
import { configChanges, type ReloadSummary } from './config-changes.ts'
import type { GatewayEmitter } from './events.ts'
import type { Listeners, Prepared } from './listeners.ts'
import type { Log } from './log.ts'
import type { GatewayConfig } from './options.ts'

/** What a reload needs of its gateway. */
export interface ReloadHost {
  /** What the configuration in force says, without what was said by call. */
  readonly configured: GatewayConfig
  /** Whether listeners are open, or about to be. */
  readonly running: boolean
  /** True from the start of a drain. */
  stopping(): boolean
  readonly listeners: Listeners
  readonly log: Log
  readonly events: GatewayEmitter
  /**
   * Finds out where the backends of a configuration are, as far as that takes no long time.
   * @throws FairleadError `CONFIG_INVALID` when a pool asks for a source that there is not
   */
  lookUp(config: GatewayConfig): Promise<void>
  /** What was looked up is not wanted. */
  giveUp(): void
  /** From now on everything goes by this configuration. Does not fail. */
  swap(config: GatewayConfig): void
}

/**
 * Takes another configuration over: opens the new listeners first, then swaps everything at once, then closes the
 * listeners that are not wanted any more. When anything fails, nothing has changed. Who comes through a new listener
 * before the swap is served by the old rules, as everybody else at that time.
 * @throws FairleadError `LISTEN_ADDRESS_IN_USE`, `LISTEN_FAILED`, `GATEWAY_STOPPING`, or what `load` throws
 */
export async function reload(
  host: ReloadHost,
  load: () => GatewayConfig | Promise<GatewayConfig>,
): Promise<ReloadSummary> {
  try {
    if (host.stopping()) throw stopping()
    const summary = await takeOver(host, await load())
    tell(host, summary)
    return summary
  } catch (error) {
    tellFailure(host, error)
    throw error
  }
}

async function takeOver(host: ReloadHost, config: GatewayConfig): Promise<ReloadSummary> {
  const before = host.configured
  const after = share(before, config)
  const summary = configChanges(before, after)
  if (after === before) return summary
  const listeners = await prepare(host, after)
  // Looked at last: nothing may come between this and the commit, or what was opened would outlive the gateway.
  if (host.stopping()) {
    host.giveUp()
    await listeners?.discard()
    throw stopping()
  }
  host.swap(after)
  await listeners?.commit()
  return summary
}

/** Does all that may fail. */
async function prepare(host: ReloadHost, config: GatewayConfig): Promise<Prepared | null> {
  try {
    await host.lookUp(config)
    return host.running ? await host.listeners.prepare(config.listen) : null
  } catch (error) {
    host.giveUp()
    throw error
  }
}

function stopping(): FairleadError {
  const message = 'the gateway is stopping and takes no other configuration'
  return new FairleadError('GATEWAY_STOPPING', message, { source: 'config', retryable: false })
}

function tell({ log, events }: ReloadHost, summary: ReloadSummary): void {
  const { changed, ...parts } = summary
  const line = { event: 'gateway.reloaded', changed, ...(changed && parts) }
  log.info(line, changed ? 'the new configuration is in force' : 'the new configuration says the same')
  if (events.listens('reload')) events.emit('reload', summary)
}

function tellFailure({ log, events }: ReloadHost, error: unknown): void {
  const code = error instanceof FairleadError ? error.code : 'INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  log.error(
    { event: 'gateway.reload_failed', code, reason: message },
    'the new configuration was not taken, the old one stays in force',
  )
  if (events.listens('reloadFailed')) events.emit('reloadFailed', { code, message })
}
