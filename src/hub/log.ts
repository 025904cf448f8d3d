/** Where a hub writes what is worth a line; `pino` satisfies it. Fields never hold secrets. */
export interface HubLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What a hub logs to unless it is told otherwise: standard error, mistakes, and when a trouble that it told is over. */
export const consoleLog: HubLog = {
  info(fields, message) {
    if ('event' in fields && over.test(String(fields.event))) console.warn(`fairlead: ${message}`, fields)
  },
  warn: (fields, message) => console.warn(`fairlead: ${message}`, fields),
  error: (fields, message) => console.error(`fairlead: ${message}`, fields),
}

const over = /\.(up|regained)$/

/**
 * A log of the program's that cannot do harm: one that throws must neither end the process nor keep from being done what
 * would be done next. Its line goes to standard error instead.
 */
export function harmless(log: HubLog): HubLog {
  const guarded =
    (level: keyof HubLog) =>
    (fields: object, message: string): void => {
      try {
        log[level](fields, message)
      } catch (error) {
        // Of an error without a look at it, which may be what threw.
        const why = error instanceof Error ? error.message : 'something that is no error'
        tell(`fairlead: ${message} (and the log failed: ${why})`)
      }
    }
  return { info: guarded('info'), warn: guarded('warn'), error: guarded('error') }
}

function tell(line: string): void {
  try {
    console.error(line)
  } catch {
    // Nobody listens.
  }
}
