import type { FoundService } from './lookup.ts'

/** The largest weight a backend can have. */
const mostWeight = 256

/** One place where a service is. */
export interface ChosenService {
  readonly host: string
  readonly port: number
  readonly weight: number
}

/**
 * Those of the lowest priority (RFC 2782), with weights in proportion from 1 to 256: a weight of 0 asks for a very small
 * share beside others, not for none. Empty when the service is decidedly not available. Nobody can be reached at port 0,
 * which registries say of those who have no port.
 * @returns null when that is so of all
 */
export function chosenServices(services: readonly FoundService[]): ChosenService[] | null {
  const offered = services.filter(({ name }) => name !== '' && name !== '.')
  const reachable = offered.filter(({ port }) => port > 0)
  if (offered.length > 0 && reachable.length === 0) return null
  const lowest = Math.min(...reachable.map(({ priority }) => priority))
  const chosen = reachable.filter(({ priority }) => priority === lowest)
  const largest = Math.max(...chosen.map(({ weight }) => weight))
  const scale = largest > mostWeight ? mostWeight / largest : 1
  return chosen.map(({ name, port, weight }) => {
    return { host: name, port, weight: Math.max(1, Math.round(weight * scale)) }
  })
}
