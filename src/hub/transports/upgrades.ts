import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** What a hub needs of a server: those of `node:http` and `node:https`, and what is built on them. */
export interface UpgradingServer {
  on(event: 'upgrade', listener: UpgradeListener): unknown
  off(event: 'upgrade', listener: UpgradeListener): unknown
  listenerCount(event: 'upgrade'): number
}

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

interface Attachment {
  /** Null: every path. */
  readonly path: string | null
  readonly upgrade: UpgradeListener
}

/** One listener for each server, however many hubs are attached to it. */
const attached = new WeakMap<
  UpgradingServer,
  { readonly all: Set<Attachment>; readonly listener: UpgradeListener }
>()

/**
 * Has upgrades for one path of a server go to `upgrade`. Upgrades for other paths are left to the server's other
 * listeners; when there are none, they are answered with 404. Returns how to end it.
 */
export function onUpgrade(
  server: UpgradingServer,
  path: string | null,
  upgrade: UpgradeListener,
): () => void {
  let entry = attached.get(server)
  if (entry === undefined) {
    const all = new Set<Attachment>()
    entry = { all, listener: (...call) => dispatch(server, all, call) }
    attached.set(server, entry)
    server.on('upgrade', entry.listener)
  }
  const { all, listener } = entry
  const attachment = { path, upgrade }
  all.add(attachment)
  return () => {
    if (!all.delete(attachment) || all.size > 0) return
    server.off('upgrade', listener)
    attached.delete(server)
  }
}

function dispatch(
  server: UpgradingServer,
  all: ReadonlySet<Attachment>,
  [request, socket, head]: Parameters<UpgradeListener>,
): void {
  const { url = '/' } = request
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  for (const attachment of all) {
    if (attachment.path === null || attachment.path === path) {
      attachment.upgrade(request, socket, head)
      return
    }
  }
  if (server.listenerCount('upgrade') === 1) refuseUpgrade(socket, 404, 'no WebSocket is served at this path')
}

/** Answers an upgrade with something else than 101, and closes. */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const fields = Object.entries({
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  })
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${lines}\r\n${body}`)
}
