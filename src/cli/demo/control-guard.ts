import { isIP } from 'node:net'

/** The header fields that tell where a browser's request comes from. */
export interface RequestOrigin {
  readonly host?: string | undefined
  readonly origin?: string | undefined
  readonly 'sec-fetch-site'?: string | string[] | undefined
}

/**
 * Why a request may not control the demo; undefined when it may.
 *
 * Any page in the visitor's browser can send a POST to this address. Its own origin gives a foreign page away
 * (`Sec-Fetch-Site`, and `Origin` in browsers without it). A page whose name was re-pointed to this address
 * has the right origin but the wrong name: so only addresses and the names of this machine are served.
 * Clients that are not browsers send neither field and are served.
 */
export function refusal(headers: RequestOrigin, machineName: string): string | undefined {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') return 'only the demo page itself may do this'
  const here = URL.parse(`http://${headers.host ?? ''}`)
  if (here === null || !isOwnName(here.hostname, machineName.toLowerCase())) {
    return 'open the demo by its address or as localhost to do this'
  }
  if (headers.origin !== undefined && URL.parse(headers.origin)?.host !== here.host) {
    return 'only the demo page itself may do this'
  }
  return undefined
}

function isOwnName(name: string, machineName: string): boolean {
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  return name === machineName || name === `${machineName}.local`
}
