import { hash } from 'node:crypto'

// RFC 6455 §1.3
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** The problem `checkUpgradeRequest` finds when only the version is wrong: answer 426 and `supportedVersion`. */
export const wrongVersion = 'the WebSocket version is not 13'
/** Value of `Sec-WebSocket-Version` in a 426 answer (RFC 6455 §4.4). */
export const supportedVersion = '13'

// 16 bytes are 22 characters, of which the last carries two bits; the other four are zero in the one canonical form.
const keyPattern = /^[A-Za-z0-9+/]{21}[AQgw]==$/

/** Whether a `Sec-WebSocket-Key` is what it has to be: 16 bytes in canonical base64 (RFC 6455 §4.2.1). */
export function isValidKey(key: string): boolean {
  return keyPattern.test(key)
}

/** The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 §4.2.2). */
export function acceptKey(key: string): string {
  return hash('sha1', key + guid, 'base64')
}

/** A request that wants to become a WebSocket. Header values are whole: repeated fields joined by `', '`. */
export interface UpgradeRequest {
  readonly method: string
  /** The y of HTTP/1.y. */
  readonly minor: number
  readonly upgrade: string | undefined
  /** `Sec-WebSocket-Version` */
  readonly version: string | undefined
  /** `Sec-WebSocket-Key` */
  readonly key: string | undefined
}

/** What is wrong with a client's handshake (RFC 6455 §4.2.1), or null. `wrongVersion` comes last, and alone. */
export function checkUpgradeRequest(request: UpgradeRequest): string | null {
  const { method, minor, upgrade, version, key } = request
  if (method !== 'GET') return 'a WebSocket upgrade must be a GET request'
  if (minor < 1) return 'a WebSocket upgrade needs HTTP/1.1'
  if (upgrade === undefined || !namesWebSocket(upgrade)) return 'Upgrade does not name websocket'
  if (version === undefined) return 'Sec-WebSocket-Version is missing'
  // A wrong key of another version may be a right one there.
  if (version !== supportedVersion) return wrongVersion
  if (key === undefined) return 'Sec-WebSocket-Key is missing'
  if (!isValidKey(key)) return 'Sec-WebSocket-Key is not 16 bytes in base64'
  return null
}

/** A backend's answer to an upgrade, and what it answers. Header values are whole, as in `UpgradeRequest`. */
export interface UpgradeResponse {
  readonly status: number
  readonly upgrade: string | undefined
  /** Whether `Connection` names `upgrade`. @default true */
  readonly connectionHasUpgrade?: boolean
  /** `Sec-WebSocket-Accept` */
  readonly accept: string | undefined
  /** The `Sec-WebSocket-Key` that was sent to the backend. */
  readonly key: string
  /** The request's `Sec-WebSocket-Protocol`. */
  readonly offeredProtocols: string | undefined
  /** The answer's `Sec-WebSocket-Protocol`. */
  readonly protocol: string | undefined
  /** The request's `Sec-WebSocket-Extensions`. */
  readonly offeredExtensions: string | undefined
  /** The answer's `Sec-WebSocket-Extensions`. */
  readonly extensions: string | undefined
}

/** What is wrong with a backend's handshake (RFC 6455 §4.1), or null: then both may speak WebSocket. */
export function checkUpgradeResponse(response: UpgradeResponse): string | null {
  const { upgrade, protocol, extensions } = response
  if (response.status !== 101) return `the status is ${response.status}, not 101`
  if (upgrade === undefined || upgrade.toLowerCase() !== 'websocket') return 'Upgrade is not websocket'
  if (response.connectionHasUpgrade === false) return 'Connection does not name upgrade'
  if (response.accept === undefined) return 'Sec-WebSocket-Accept is missing'
  if (response.accept !== acceptKey(response.key)) return 'Sec-WebSocket-Accept does not answer the key'
  if (protocol !== undefined && !listed(response.offeredProtocols, protocol)) {
    return 'Sec-WebSocket-Protocol names a subprotocol that was not offered'
  }
  if (extensions !== undefined && !onlyOfferedExtensions(response.offeredExtensions, extensions)) {
    return 'Sec-WebSocket-Extensions names an extension that was not offered'
  }
  return null
}

// The field is a list of protocols, each perhaps with a version (RFC 9110 §7.8).
function namesWebSocket(upgrade: string): boolean {
  return upgrade.length === 9
    ? upgrade.toLowerCase() === 'websocket'
    : listed(upgrade.toLowerCase(), 'websocket')
}

function listed(list: string | undefined, item: string): boolean {
  return list?.split(',').some((each) => each.trim() === item) ?? false
}

function onlyOfferedExtensions(offered: string | undefined, accepted: string): boolean {
  const names = extensionNames(offered ?? '')
  return extensionNames(accepted).every((name) => names.includes(name))
}

// RFC 6455 §9.1: parameters may be quoted strings, but what is quoted has to be a token, so it holds no comma.
function extensionNames(list: string): string[] {
  return list
    .split(',')
    .map((extension) => (extension.split(';', 1)[0] as string).trim().toLowerCase())
    .filter((name) => name !== '')
}
