import { isatty } from 'node:tty'
import { pino } from 'pino'
import { FairleadError } from '../core/errors.ts'
import type { Log } from './log.ts'
import { FileLogOutput, type LogOutput } from './log-output.ts'
import type { GatewayConfig } from './options.ts'
import { prettyLog } from './pretty-log.ts'

/** A log whose options may change while it is used. */
export interface AdjustableLog extends Log {
  adjust(options: GatewayConfig['log']): void
}

/**
 * The log of a gateway: one line each, as JSON or for people. Times are UTC in ISO 8601. Lines go to standard
 * output in batches of at most 50 ms; what is left is written when the process exits.
 * @param output where lines go instead of standard output
 */
export function createLog(options: GatewayConfig['log'], output?: LogOutput): AdjustableLog {
  const lines = output ?? standardOutput()
  const colored = !output && hasColors()
  let pretty = false
  const log = pino(
    {
      level: options.level,
      base: null,
      timestamp,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: serializeError, error: serializeError },
    },
    { write: (json) => lines.write(pretty ? prettyLog(json, colored) : json) },
  )
  const adjust = ({ level, format }: GatewayConfig['log']): void => {
    log.level = level
    pretty = format === 'pretty' || (format === 'auto' && !output && isatty(1))
  }
  adjust(options)
  return Object.assign(log, { adjust })
}

/** Waits until every line of every log on standard output has been written, or cannot be. */
export async function flushLogs(): Promise<void> {
  await shared?.flush()
}

let shared: FileLogOutput | undefined

/** One for the process: two writers on one descriptor would tear each other's lines. */
function standardOutput(): FileLogOutput {
  if (shared === undefined) {
    const opened = new FileLogOutput(1, { delay: isatty(1) ? 0 : 50, onDropped: droppedLine })
    process.once('exit', () => opened.flushSync())
    shared = opened
  }
  return shared
}

function droppedLine(lines: number): string {
  const line = {
    level: 'warn',
    time: new Date().toISOString(),
    event: 'log.dropped',
    lines,
    msg: 'log lines were dropped: standard output is read too slowly',
  }
  return `${JSON.stringify(line)}\n`
}

let stampedAt = 0
let stamp = ''

/** A busy gateway writes many lines in a millisecond: the text is made once for all of them. */
function timestamp(): string {
  const now = Date.now()
  if (now !== stampedAt) {
    stampedAt = now
    stamp = `,"time":"${new Date(now).toISOString()}"`
  }
  return stamp
}

/** Errors that are somebody's mistake need no stack, nor do their causes; errors of our own do. */
function serializeError(error: unknown): unknown {
  const expected = error instanceof FairleadError && error.source !== 'internal'
  return describeError(error, !expected)
}

function describeError(error: unknown, withStack: boolean): unknown {
  if (!(error instanceof Error)) return error
  const { message, stack, cause } = error
  const code = (error as { code?: unknown }).code
  return {
    ...(code === undefined ? {} : { code }),
    message,
    ...(withStack ? { stack } : {}),
    ...(cause === undefined || cause === error ? {} : { cause: describeError(cause, withStack) }),
  }
}

/** https://no-color.org */
function hasColors(): boolean {
  if (process.env.NO_COLOR) return false
  if (process.env.FORCE_COLOR && process.env.FORCE_COLOR !== '0') return true
  return isatty(1) && process.env.TERM !== 'dumb'
}
