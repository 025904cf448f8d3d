/** Whether a request of a `fetch` server asks for a WebSocket. */
export function isWebSocketUpgrade(request: Request): boolean {
  return request.headers.get('upgrade')?.toLowerCase() === 'websocket'
}

/** Path of a request, as it is in the URL. */
export function handshakePath(request: Request): string {
  const target = handshakeTarget(request)
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** Path and query. */
export function handshakeTarget({ url }: Request): string {
  const path = url.indexOf('/', url.indexOf('//') + 2)
  return path === -1 ? '/' : url.slice(path)
}
