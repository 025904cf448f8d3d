/** Where a hub writes what is worth a line; `pino` satisfies it. Fields never hold secrets. */
export interface HubLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What a hub logs to unless it is told otherwise: standard error, mistakes only. */
export const consoleLog: HubLog = {
  info() {},
  warn: (fields, message) => console.warn(`fairlead: ${message}`, fields),
  error: (fields, message) => console.error(`fairlead: ${message}`, fields),
}
