import { DnsSource } from '../drivers/dns/dns-source.ts'
import { FileSource } from '../drivers/file/file-source.ts'
import type { OpenSource } from '../gateway/discoveries.ts'
import type { DiscoverySource } from '../gateway/discovery.ts'
import { parseBackendList } from './backend-list.ts'

/** The drivers behind `discover`. */
export function sourcesOf(own: Readonly<Record<string, () => DiscoverySource>> = {}): OpenSource {
  return (discover) => {
    if ('file' in discover) {
      const { file } = discover
      return new FileSource(file, (text) => parseBackendList(file, text))
    }
    if ('source' in discover) {
      const open = Object.hasOwn(own, discover.source) ? own[discover.source] : undefined
      if (open !== undefined) return open()
      const known = Object.keys(own).join(', ') || 'none, since no source was given to createGateway'
      throw new Error(`found the source ${JSON.stringify(discover.source)}, expected one of: ${known}`)
    }
    const { interval, resolver: servers } = discover
    const ask = 'dns' in discover ? discover.dns : { service: discover.srv }
    return new DnsSource({ ask, interval, servers })
  }
}
