/**
 * The log, as the gateway needs it. `pino` satisfies it. Fields never hold secrets: no header values, no
 * query strings.
 */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
