import type { SocketError, SocketErrorCode } from './socket.ts'

/** What the kernels' error names mean to the gateway. Both adapters speak in these names. */
const codes: Readonly<Record<string, SocketErrorCode>> = {
  ECONNREFUSED: 'refused',
  // A Unix socket path that does not exist.
  ENOENT: 'refused',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  // connect(2) gave up by itself, or nobody acknowledged what was sent on an open connection.
  ETIMEDOUT: 'timeout',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  EHOSTDOWN: 'unreachable',
  EPIPE: 'pipe',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  EADDRNOTAVAIL: 'exhausted',
  ENOBUFS: 'exhausted',
  ENOMEM: 'exhausted',
}

/** The port's error for what a runtime reported. */
export function socketError(cause: unknown): SocketError {
  const raw = rawCode(cause)
  const message = cause instanceof Error ? firstLine(cause.message) : String(cause)
  return { code: codes[raw] ?? 'other', raw, message }
}

/** The attempt took longer than its `connectTimeout`. */
export const connectTimedOut: SocketError = {
  code: 'timeout',
  raw: 'ETIMEDOUT',
  message: 'the connection was not accepted in time',
}

/** A write found the connection dead, and the runtime did not say why. */
export const brokenPipe: SocketError = {
  code: 'pipe',
  raw: 'EPIPE',
  message: 'the peer had closed the connection when we wrote to it',
}

/** The connection went away although one side had not finished, and the runtime did not say why. */
export const cutOff: SocketError = {
  code: 'reset',
  raw: 'ECONNRESET',
  message: 'the connection closed before both sides had finished',
}

function rawCode(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return ''
  return typeof cause.code === 'string' ? cause.code : ''
}

function firstLine(message: string): string {
  const end = message.indexOf('\n')
  return end === -1 ? message : message.slice(0, end)
}
