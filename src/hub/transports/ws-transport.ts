import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { checkUpgradeRequest, supportedVersion, wrongVersion } from '../../websocket/handshake.ts'
import { plainAddress } from '../plain-address.ts'
import { offeredProtocols } from '../subprotocols.ts'
import type { Admission, HandshakeRequest, TransportOptions, TransportOwner } from '../transport.ts'
import { streamHandleOf } from './stream-handle.ts'
import { onUpgrade, refuseUpgrade, type UpgradingServer } from './upgrades.ts'
import { HubWebSocket, WsConnection } from './ws-connection.ts'

/** WebSockets of the `ws` package behind servers of `node:http` and `node:https`. */
export class WsTransport {
  readonly #options: TransportOptions
  readonly #documented: boolean
  readonly #server: WebSocketServer
  /** For the one handshake that `ws` is completing right now. */
  #protocol: string | null = null

  /** @param documented whether only what Node documents is used */
  constructor(options: TransportOptions, documented = false) {
    this.#options = options
    this.#documented = documented
    const settings = {
      noServer: true,
      clientTracking: false,
      maxPayload: options.maxMessage,
      perMessageDeflate: options.compression,
      closeTimeout: options.closeTimeout,
      handleProtocols: () => this.#protocol ?? false,
      WebSocket: HubWebSocket,
    } as const
    this.#server = new WebSocketServer(settings)
  }

  /** Serves upgrades of a server. Returns how to end that; connections stay. */
  attach(server: UpgradingServer, path: string | null): () => void {
    return onUpgrade(server, path, (request, socket, head) => {
      this.#upgrade(request, socket, head).catch(() => socket.destroy())
    })
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', destroy)
    const problem = problemOf(request)
    if (problem === wrongVersion) {
      return refuseUpgrade(socket, 426, problem, { 'Sec-WebSocket-Version': supportedVersion })
    }
    if (problem !== null) return refuseUpgrade(socket, 400, problem)
    const decided = this.#options.admit(handshakeOf(request))
    if (!(decided instanceof Promise)) return this.#answer(decided, request, socket, head)
    // A client that leaves meanwhile is found by `ws`: the stream has ended then, or is destroyed.
    this.#answer(await decided, request, socket, head)
  }

  #answer(admission: Admission, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!admission.accept) {
      refuseUpgrade(socket, admission.status, admission.body, admission.headers)
      return
    }
    this.#protocol = admission.protocol
    if (!this.#complete(request, socket, head, admission.owner)) admission.owner.closed(1006, '')
  }

  /** Sends the 101, unless `ws` finds something wrong: then it has answered. */
  #complete(request: IncomingMessage, socket: Duplex, head: Buffer, owner: TransportOwner): boolean {
    let opened = false
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      opened = true
      socket.off('error', destroy)
      const handle = this.#documented ? null : streamHandleOf(socket)
      new WsConnection(webSocket as HubWebSocket, socket, handle, owner)
    })
    return opened
  }
}

function problemOf({ method = '', httpVersionMinor, headers }: IncomingMessage): string | null {
  return checkUpgradeRequest({
    method,
    minor: httpVersionMinor,
    upgrade: headers.upgrade,
    version: headers['sec-websocket-version'] as string | undefined,
    key: headers['sec-websocket-key'] as string | undefined,
  })
}

function handshakeOf(request: IncomingMessage): HandshakeRequest {
  const { socket, url = '/' } = request
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return {
    url,
    headers,
    remoteAddress: plainAddress(socket.remoteAddress),
    secure: 'encrypted' in socket && socket.encrypted === true,
    protocols: offeredProtocols(headers['sec-websocket-protocol']),
  }
}

function destroy(this: Duplex): void {
  this.destroy()
}
