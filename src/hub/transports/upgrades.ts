import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { FairleadError } from '../../core/errors.ts'

/** What a hub needs of a server: those of `node:http` and `node:https`, and what is built on them. */
export interface UpgradingServer {
  on(event: 'upgrade', listener: UpgradeListener): unknown
  prependListener(event: 'upgrade', listener: UpgradeListener): unknown
  off(event: 'upgrade', listener: UpgradeListener): unknown
  listenerCount(event: 'upgrade'): number
  /** Which servers have, and applications that are emitters, too, have not. */
  address(): unknown
}

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** @param before bytes that were written to the socket before the upgrade: when there are more, somebody has answered */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer, before: number) => void

/** How long the server's other listeners have for an upgrade that is not ours; then it is answered with 404. */
const othersHave = 10_000
/** How long a peer has to take a refusal; then it is cut. */
const refusalTakes = 10_000

interface Entry {
  /** By path; null: every path that is not another's. */
  readonly paths: Map<string | null, Upgrade>
  end(): void
}

/** One for each server, however many hubs are attached to it. */
const attached = new WeakMap<UpgradingServer, Entry>()

/** @throws FairleadError `CONFIG_INVALID` for what is no server, such as the application that is behind one */
export function checkServer(server: unknown): asserts server is UpgradingServer {
  if (isServer(server)) return
  const found = describeNoServer(server)
  throw invalid(`attach: found ${found}, expected a server, as createServer(app) and app.listen(port) return`)
}

function isServer(value: unknown): value is UpgradingServer {
  if (typeof value !== 'object' || value === null) return false
  return ['on', 'prependListener', 'off', 'listenerCount', 'address'].every(
    (name) => typeof (value as Record<string, unknown>)[name] === 'function',
  )
}

function describeNoServer(value: unknown): string {
  if (typeof value === 'function') return 'a function (the application?)'
  if (typeof value !== 'object' || value === null) return String(value)
  if ('server' in value && isServer(value.server)) return 'an object with a server (give its `server`)'
  if ('getHttpServer' in value) return 'an object with a server (give its `getHttpServer()`)'
  return 'an object that is none (the application?)'
}

function invalid(what: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', what, { source: 'config', retryable: false })
}

/**
 * Has upgrades for one path of a server, or for all that are no other's, go to `upgrade`. What nobody here takes is left
 * to the server's other listeners: when there are none, or none of them has answered after `patience` ms, it is answered
 * with 404. Node has no timeout for it: nobody else would ever let go of it. Returns how to end it.
 * @throws FairleadError `CONFIG_INVALID` when the path is taken
 */
export function onUpgrade(
  server: UpgradingServer,
  path: string | null,
  upgrade: Upgrade,
  patience = othersHave,
): () => void {
  const entry = attached.get(server) ?? listen(server, patience)
  const { paths } = entry
  if (paths.has(path)) {
    const what = path === null ? 'every path' : `the path ${JSON.stringify(path)}`
    throw invalid(`attach: another hub serves ${what} of this server`)
  }
  paths.set(path, upgrade)
  return () => {
    if (paths.get(path) !== upgrade) return
    paths.delete(path)
    if (paths.size > 0) return
    entry.end()
    attached.delete(server)
  }
}

function listen(server: UpgradingServer, patience: number): Entry {
  const paths = new Map<string | null, Upgrade>()
  // All listeners of one upgrade are called in one go, this one before the others.
  let before = 0
  const look: UpgradeListener = (_, socket) => {
    before = bytesWritten(socket)
  }
  const listener: UpgradeListener = (request, socket, head) => {
    const { url = '/' } = request
    const query = url.indexOf('?')
    const upgrade = paths.get(query === -1 ? url : url.slice(0, query)) ?? paths.get(null)
    if (upgrade !== undefined) upgrade(request, socket, head, before)
    // These two.
    else if (server.listenerCount('upgrade') === 2) refuseUnknown(socket)
    else refuseLater(socket, before, patience)
  }
  const end = () => {
    server.off('upgrade', look)
    server.off('upgrade', listener)
  }
  const entry = { paths, end }
  attached.set(server, entry)
  server.prependListener('upgrade', look)
  server.on('upgrade', listener)
  return entry
}

function refuseLater(socket: Duplex, before: number, patience: number): void {
  // Node listens no more, and an error that nobody listens to, such as that of a peer that resets, ends the process.
  socket.on('error', () => socket.destroy())
  const timer = setTimeout(() => {
    socket.off('close', forget)
    if (!socket.destroyed && bytesWritten(socket) === before) refuseUnknown(socket)
  }, patience)
  timer.unref()
  const forget = () => clearTimeout(timer)
  socket.once('close', forget)
}

function refuseUnknown(socket: Duplex): void {
  refuseUpgrade(socket, 404, 'no WebSocket is served at this path')
}

/** Grows when anybody has answered on a socket. */
export function bytesWritten(socket: Duplex): number {
  return 'bytesWritten' in socket ? Number(socket.bytesWritten) : 0
}

/** Answers an upgrade with something else than 101, and closes. `headers` hold none that frame an answer. */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (socket.destroyed) return
  const fields = Object.entries(headers)
  if (!fields.some(([name]) => name.toLowerCase() === 'content-type')) {
    fields.push(['Content-Type', 'text/plain; charset=utf-8'])
  }
  fields.push(['Content-Length', String(Buffer.byteLength(body))], ['Connection', 'close'])
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const late = setTimeout(() => socket.destroy(), refusalTakes)
  late.unref()
  socket.on('error', () => socket.destroy())
  socket.once('finish', () => socket.destroy())
  socket.once('close', () => clearTimeout(late))
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}\r\n${lines}\r\n${body}`)
}
