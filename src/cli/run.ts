import { findConfig, loadConfig } from '../config/load-config.ts'
import { serve } from './serve.ts'

/** `fairlead run`: the gateway of a config file. */
export async function run(file: string | undefined): Promise<number> {
  return serve(await loadConfig(file ?? (await findConfig('.'))))
}
