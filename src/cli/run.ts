import { findConfig, loadConfig, reloadConfig } from '../config/load-config.ts'
import { fileStamp } from '../drivers/file/file-watch.ts'
import { serve } from './serve.ts'

/** The flags of `fairlead run`. */
export interface RunFlags {
  readonly config?: string
  /** Whether a change of the file is taken over at once. */
  readonly watch: boolean
}

/** `fairlead run`: the gateway of a config file, which is read again on SIGHUP and when it changes. */
export async function run({ config, watch }: RunFlags): Promise<number> {
  const file = config ?? (await findConfig('.'))
  // Before it is read, so that no change comes in between.
  const stamp = watch ? await fileStamp(file) : undefined
  return serve(await loadConfig(file), { file, watch: stamp, load: () => reloadConfig(file) })
}
