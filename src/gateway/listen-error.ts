import { FairleadError } from '../core/errors.ts'
import type { ListenerConfig } from './options.ts'

/**
 * Says why a listener cannot be opened, and how to find out who has the port.
 * @param cause the runtime's error, with its `code`
 * @param own the listener of this gateway that has the port and was to be closed afterwards
 */
export function listenError(
  target: ListenerConfig,
  cause: unknown,
  platform: NodeJS.Platform = process.platform,
  own?: string,
): FairleadError {
  const { code, message = String(cause) } = cause as { code?: string; message?: string }
  const details = { source: 'config', retryable: false, cause } as const
  const place =
    'path' in target ? `the socket ${target.path}` : `port ${target.port} (${target.host ?? 'every address'})`
  if (code !== 'EADDRINUSE') {
    const reason = ('path' in target ? socketReasons : portReasons)[code ?? ''] ?? message
    return new FairleadError('LISTEN_FAILED', `cannot listen on ${place}: ${reason}`, details)
  }
  const ask =
    own === undefined
      ? `see who has it: ${whoHas(target, platform)}`
      : `this gateway has it itself, as ${own}: take that one out first, then add this one`
  return new FairleadError('LISTEN_ADDRESS_IN_USE', `${place} is already in use; ${ask}`, details)
}

const portReasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)',
  EADDRNOTAVAIL: 'no network interface of this machine has this address',
}

/** Node says EACCES also when the folder is not there. */
const noSocket = 'its folder does not exist, or permission is denied'
const socketReasons: Readonly<Record<string, string>> = { EACCES: noSocket, ENOENT: noSocket }

function whoHas(target: ListenerConfig, platform: NodeJS.Platform): string {
  if ('path' in target) {
    return platform === 'linux' ? `ss -lxp src ${target.path}` : `lsof ${target.path}`
  }
  if (platform === 'linux') return `ss -ltnp 'sport = :${target.port}'`
  if (platform === 'win32') return `netstat -ano | findstr :${target.port}`
  return `lsof -nP -iTCP:${target.port} -sTCP:LISTEN`
}
