import { FairleadError } from '../core/errors.ts'
import { type FileStamp, FileWatch } from '../drivers/file/file-watch.ts'
import type { Changes, ReloadSummary } from '../gateway/config-changes.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { GatewayConfig } from '../gateway/options.ts'
import { say } from './stderr.ts'

/** Where the configuration of a running gateway comes from. */
export interface ConfigSource {
  readonly file: string
  /** Of the file before it was read, if a change of it is reason enough to read it again. */
  readonly watch: FileStamp | undefined
  /** Reads it again. */
  load(): Promise<GatewayConfig>
}

/** Gives a running gateway its configuration again: on SIGHUP, and when its file changes. */
export class Reloading {
  readonly #gateway: Gateway
  readonly #source: ConfigSource
  readonly #onHangup = () => void this.#reload('SIGHUP')
  #watch: FileWatch | null = null
  /** Whether a reload has been asked for that has not begun to read the file yet: another one is the same. */
  #waiting = false

  /** From now on SIGHUP does not end the process. */
  constructor(gateway: Gateway, source: ConfigSource) {
    this.#gateway = gateway
    this.#source = source
    process.on('SIGHUP', this.#onHangup)
  }

  /** Begins to watch the file. */
  start(): void {
    const { file, watch } = this.#source
    if (watch === undefined) return
    this.#watch = new FileWatch(file, watch, () => void this.#reload(`${file} changed`))
  }

  stop(): void {
    this.#watch?.close()
    this.#watch = null
  }

  async #reload(why: string): Promise<void> {
    if (this.#waiting) return
    this.#waiting = true
    try {
      const summary = await this.#gateway.reloadFrom(() => {
        this.#waiting = false
        return this.#source.load()
      })
      say(`${why}: ${summaryText(summary)}`)
    } catch (error) {
      this.#waiting = false
      const expected = error instanceof FairleadError && error.source === 'config'
      say(`${why}, but the configuration stays as it was:\n${expected ? error.message : String(error)}`)
    }
  }
}

function summaryText({ changed, listeners, pools, backends, routes, settings }: ReloadSummary): string {
  if (!changed) return 'the configuration says the same, nothing was touched'
  const parts = [
    ...changesText('listener', listeners),
    ...changesText('pool', pools),
    ...changesText('backend', backends),
    ...changesText('route', routes),
    ...settings.map((name) => `${name} changed`),
  ]
  return `the configuration was taken over: ${parts.join('; ')}`
}

/** Terminals have not as many lines as a pool may have backends. */
const mostShown = 5

function changesText(noun: string, changes: Changes): string[] {
  return (['added', 'removed', 'changed'] as const).flatMap((what) => {
    const names = changes[what]
    if (names.length === 0) return []
    const more = names.length > mostShown ? ` and ${names.length - mostShown} more` : ''
    return [`${noun}${names.length === 1 ? '' : 's'} ${what}: ${names.slice(0, mostShown).join(', ')}${more}`]
  })
}
