import type { GatewayOptions } from '../gateway/options.ts'

/** Gives `fairlead.config.ts` types and completion; returns what it is given, unchecked and unchanged. */
export function defineConfig(options: GatewayOptions): GatewayOptions {
  return options
}
