import { createHash } from 'node:crypto'
import type { Message } from './message-reader.ts'
import type { RawBackend } from './raw-backend.ts'
import type { Running, Stage, StageOptions } from './stage.ts'
import type { Wire } from './wire.ts'

/** The key of RFC 6455 §1.3, and the answer to it. */
export const sampleKey = 'dGhlIHNhbXBsZSBub25jZQ=='
export const sampleAccept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** The head of an upgrade request; `lines` replace the fields of the same name, `null` leaves one out. */
export function upgradeRequest(
  lines: Readonly<Record<string, string | null>> = {},
  start = 'GET /chat HTTP/1.1',
): string {
  const fields: Record<string, string | null> = {
    Host: 'a.test',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': sampleKey,
    ...lines,
  }
  return head(start, fields)
}

/** A backend's answer to `upgradeRequest()`, changed in the same way. */
export function switching(lines: Readonly<Record<string, string | null>> = {}): string {
  const fields: Record<string, string | null> = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': sampleAccept,
    ...lines,
  }
  return head('HTTP/1.1 101 Switching Protocols', fields)
}

/** Backend script: answers an upgrade as it should be. */
export function acceptUpgrade(wire: Wire): Promise<Message> {
  return acceptUpgradeSaying(wire, {})
}

/** The same, with these fields besides. */
export async function acceptUpgradeSaying(
  wire: Wire,
  lines: Readonly<Record<string, string>>,
): Promise<Message> {
  const request = await wire.message('request')
  const key = request.fields.get('sec-websocket-key')?.[0] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  wire.send(switching({ 'Sec-WebSocket-Accept': accept, ...lines }))
  return request
}

/** An open tunnel of which the test drives both ends. */
export interface RawTunnel extends Running {
  readonly client: Wire
  readonly server: Wire
  readonly backend: RawBackend
}

/** Opens a tunnel through a gateway of its own. */
export async function rawTunnel(stage: Stage, options: StageOptions = {}): Promise<RawTunnel> {
  const backend = await stage.raw()
  const running = await stage.gateway({ backends: [backend.address], ...options })
  return { ...running, backend, ...(await joinTunnel(stage, running.port, backend)) }
}

/** Opens one more tunnel through a gateway, at its port or the path of its socket. */
export async function joinTunnel(
  stage: Stage,
  target: number | string,
  backend: RawBackend,
): Promise<{ client: Wire; server: Wire }> {
  const index = backend.connections.length
  const client = await stage.client(target)
  client.send(upgradeRequest())
  const server = await backend.connection(index)
  await acceptUpgrade(server)
  await client.until('\r\n\r\n')
  return { client, server }
}

function head(start: string, fields: Readonly<Record<string, string | null>>): string {
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${value}\r\n`],
  )
  return `${start}\r\n${lines.join('')}\r\n`
}
