/** Every kind of measurement, in the order in which they run. */
export const workNames = ['ws64', 'ws16k', 'ws64k', 'http', 'upgrade', 'memory', 'latency'] as const
export type WorkName = (typeof workNames)[number]
