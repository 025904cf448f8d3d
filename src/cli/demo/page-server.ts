import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { refusal } from './control-guard.ts'

export interface PageServerOptions {
  /** The numbers of this moment, sent to every open page as JSON. */
  snapshot(): object
  /** Starts or stops a server. Resolves to false when there is no server of this name. */
  control(server: string, action: ControlAction): Promise<boolean>
}

export type ControlAction = 'start' | 'stop'

export interface PageServer {
  readonly port: number
  /** Sends a snapshot now instead of at the next beat. */
  publish(): void
  close(): Promise<void>
}

/** Everything that is served, by name; `page.html` is also the start page. */
const files = [
  'page.html',
  'page.css',
  'controls.css',
  'stage.css',
  'page.js',
  'client.js',
  'crowd.js',
  'journal.js',
  'moves.js',
  'server-card.js',
  'sparkline.js',
  'threads.js',
  'icon.svg',
] as const

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
}

const security = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

/** Pages that stopped reading are cut once this much waits for them. */
const longestQueue = 256 * 1024
const mostPages = 64
const beat = 250

/** The demo's own web server: the page, its live numbers, and the start and stop buttons. Loopback only. */
export async function startPageServer(options: PageServerOptions): Promise<PageServer> {
  const pages = await loadFiles()
  const readers = new Set<ServerResponse>()

  const publish = () => {
    if (readers.size === 0) return
    const event = `data: ${JSON.stringify(options.snapshot())}\n\n`
    for (const reader of readers) {
      if (reader.writableLength > longestQueue) reader.destroy()
      else reader.write(event)
    }
  }
  const timer = setInterval(publish, beat)

  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] as string
    const page = pages.get(path)
    if (page !== undefined) sendFile(request, response, page)
    else if (path === '/api/events') subscribe(request, response, readers, options)
    else if (path.startsWith('/api/servers/')) void command(request, response, path, options)
    else sendText(response, 404, 'There is nothing here.')
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  return {
    port: (server.address() as AddressInfo).port,
    publish,
    close() {
      clearInterval(timer)
      for (const reader of readers) reader.end()
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

interface LoadedFile {
  readonly body: Buffer
  readonly type: string
}

async function loadFiles(): Promise<Map<string, LoadedFile>> {
  const loaded = files.map(async (file) => {
    const body = await readFile(new URL(`./page/${file}`, import.meta.url))
    const path = file === 'page.html' ? '/' : `/${file}`
    return [path, { body, type: types[file.split('.')[1] as string] as string }] as const
  })
  return new Map(await Promise.all(loaded))
}

function sendFile(request: IncomingMessage, response: ServerResponse, { body, type }: LoadedFile): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendText(response, 405, 'GET and HEAD only.', { allow: 'GET, HEAD' })
    return
  }
  const headers = {
    ...security,
    'content-type': type,
    'content-length': body.length,
    'cache-control': 'no-cache',
  }
  response.writeHead(200, headers)
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Server-sent events: one snapshot at once, then one with every beat and every change. */
function subscribe(
  request: IncomingMessage,
  response: ServerResponse,
  readers: Set<ServerResponse>,
  options: PageServerOptions,
): void {
  if (request.method !== 'GET') {
    sendText(response, 405, 'GET only.', { allow: 'GET' })
    return
  }
  if (readers.size >= mostPages) {
    sendText(response, 503, 'Too many pages are open.', { 'retry-after': '5' })
    return
  }
  response.writeHead(200, { ...security, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.write(`retry: 1000\ndata: ${JSON.stringify(options.snapshot())}\n\n`)
  readers.add(response)
  response.on('error', () => {})
  response.on('close', () => readers.delete(response))
}

async function command(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  options: PageServerOptions,
): Promise<void> {
  const [, , , name = '', action, ...rest] = path.split('/')
  request.resume()
  if (request.method !== 'POST') return sendText(response, 405, 'POST only.', { allow: 'POST' })
  const refused = refusal(request.headers, hostname())
  if (refused !== undefined) return sendText(response, 403, `Refused: ${refused}.`)
  if ((action !== 'start' && action !== 'stop') || rest.length > 0) {
    return sendText(response, 404, 'A server can be told to start or to stop.')
  }
  try {
    const known = await options.control(name, action)
    if (known) sendText(response, 200, 'Done.')
    else sendText(response, 404, 'There is no server of this name.')
  } catch (error) {
    sendText(response, 500, error instanceof Error ? error.message : String(error))
  }
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  const body = Buffer.from(`${text}\n`)
  response.writeHead(status, {
    ...security,
    ...headers,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
  })
  response.end(body)
}
