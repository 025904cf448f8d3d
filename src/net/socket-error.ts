import type { SocketError, SocketErrorCode } from './socket.ts'

/** What the kernel's error names mean to the gateway, in the same words on both runtimes. */
const known: Readonly<Record<string, readonly [SocketErrorCode, string]>> = {
  ECONNREFUSED: ['refused', 'the connection was refused: nobody listens there'],
  ENOENT: ['refused', 'the Unix socket does not exist'],
  ECONNRESET: ['reset', 'the peer reset the connection'],
  ECONNABORTED: ['reset', 'the connection was aborted'],
  // connect(2) gave up by itself, or nobody acknowledged what was sent on an open connection.
  ETIMEDOUT: ['timeout', 'the peer did not answer in time'],
  ENETUNREACH: ['unreachable', 'the network cannot be reached'],
  EHOSTUNREACH: ['unreachable', 'the host cannot be reached'],
  ENETDOWN: ['unreachable', 'the network is down'],
  EHOSTDOWN: ['unreachable', 'the host is down'],
  EPIPE: ['pipe', 'the peer had closed the connection when we wrote to it'],
  EMFILE: ['exhausted', 'this process has no descriptors left'],
  ENFILE: ['exhausted', 'this machine has no descriptors left'],
  EADDRNOTAVAIL: ['exhausted', 'no local port is left'],
  ENOBUFS: ['exhausted', 'the kernel has no buffers left'],
  ENOMEM: ['exhausted', 'the kernel has no memory left'],
}

/** The port's error for what a runtime reported. */
export function socketError(cause: unknown): SocketError {
  const raw = rawCode(cause)
  const [code, text] = known[raw] ?? [
    'other',
    cause instanceof Error ? firstLine(cause.message) : String(cause),
  ]
  return { code, raw, message: raw === '' ? text : `${text} (${raw})` }
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
