import { isIP } from 'node:net'
import { type GatewayOptions, parseBackendAddress } from '../gateway/options.ts'

type ListenOptions = GatewayOptions['listen'][number]

/** What `--listen` takes: `8080`, `:8080`, `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`. */
export function parseListen(text: string): ListenOptions | undefined {
  if (text.startsWith('unix:')) return text.length > 5 ? { path: text.slice(5) } : undefined
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]+))?:)?(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const port = Number(match[3])
  const host = match[1] ?? match[2]
  if (port > 65_535) return undefined
  if (host === undefined || host === '*') return { port }
  if (host === 'localhost') return { host: '127.0.0.1', port }
  return isIP(host) === 0 ? undefined : { host, port }
}

/**
 * What `--to` takes: `3001` and `:3001` for this machine, `host:port`, `[ipv6]:port`, `unix:/path`, or a URL
 * such as `http://host:port`. Returns the address as the config writes it.
 */
export function parseTo(text: string): string | undefined {
  if (/^:?\d{1,5}$/.test(text)) return checked(`localhost:${text.replace(':', '')}`)
  const url = /^(?:http|ws):\/\/([^/?#@]+)\/?$/i.exec(text)?.[1]
  if (url === undefined) return checked(text)
  return checked(/:\d+$/.test(url) ? url : `${url}:80`)
}

function checked(address: string): string | undefined {
  return parseBackendAddress(address) === undefined ? undefined : address
}
