import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { checkUpgradeRequest, supportedVersion, wrongVersion } from '../../websocket/handshake.ts'
import { plainAddress } from '../plain-address.ts'
import { offeredProtocols, problemOfProtocols } from '../subprotocols.ts'
import type { Admission, Handshake, TransportOptions } from '../transport.ts'
import { streamHandleOf } from './stream-handle.ts'
import { bytesWritten, onUpgrade, refuseUpgrade, type UpgradingServer } from './upgrades.ts'
import { HubWebSocket, WsConnection } from './ws-connection.ts'

/**
 * Pongs that may wait for a peer; with one more it is cut. Of the longest, that is 2 MiB. It is more than the pings that
 * one read of 64 KiB brings, which are answered together, also to a peer that reads.
 */
const mostUnreadPongs = 16 * 1024

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
      maxPendingAutoPongs: mostUnreadPongs,
      handleProtocols: () => this.#protocol ?? false,
      WebSocket: HubWebSocket,
    } as const
    this.#server = new WebSocketServer(settings)
  }

  /**
   * Serves upgrades of a server. Returns how to end that; connections stay.
   * @throws FairleadError `CONFIG_INVALID` when another hub serves the path
   */
  attach(server: UpgradingServer, path: string | null): () => void {
    return onUpgrade(server, path, (request, socket, head, before) => {
      this.#upgrade(request, socket, head, before).catch((error: unknown) => {
        this.#options.failed(error)
        if (bytesWritten(socket) === before) refuseUpgrade(socket, 500, 'internal error')
        else socket.destroy()
      })
    })
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, before: number): Promise<void> {
    if (bytesWritten(socket) !== before) return this.#forestalled()
    socket.on('error', destroy)
    const problem = problemOf(request)
    if (problem === wrongVersion) {
      return refuseUpgrade(socket, 426, problem, { 'Sec-WebSocket-Version': supportedVersion })
    }
    if (problem !== null) return refuseUpgrade(socket, 400, problem)
    const client = new AbortController()
    const decided = this.#options.admit(handshakeOf(request, client.signal))
    if (!(decided instanceof Promise)) return this.#answer(decided, request, socket, head)
    const left = () => {
      client.abort()
      socket.destroy()
    }
    socket.once('end', left).once('close', left)
    const admission = await decided
    socket.off('end', left).off('close', left)
    if (bytesWritten(socket) === before) return this.#answer(admission, request, socket, head)
    if (admission.accept) admission.owner.closed(1006, '')
    this.#forestalled()
  }

  /** To answer again would put it into somebody else's WebSocket. */
  #forestalled(): void {
    this.#options.failed(new Error('another upgrade listener of this server has answered'))
  }

  #answer(admission: Admission, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!admission.accept) {
      refuseUpgrade(socket, admission.status, admission.body, admission.headers)
      return
    }
    this.#protocol = admission.protocol
    let opened = false
    try {
      // Sends the 101, unless `ws` finds something wrong: then it has answered.
      this.#server.handleUpgrade(request, socket, head, (webSocket) => {
        opened = true
        socket.off('error', destroy)
        const handle = this.#documented ? null : streamHandleOf(socket)
        new WsConnection(webSocket as HubWebSocket, socket, handle, admission.owner)
      })
    } finally {
      if (!opened) admission.owner.closed(1006, '')
    }
  }
}

function problemOf({ method = '', httpVersionMinor, headers }: IncomingMessage): string | null {
  const problem = checkUpgradeRequest({
    method,
    minor: httpVersionMinor,
    upgrade: headers.upgrade,
    version: headers['sec-websocket-version'] as string | undefined,
    key: headers['sec-websocket-key'] as string | undefined,
  })
  return problem ?? problemOfProtocols(headers['sec-websocket-protocol'])
}

function handshakeOf(request: IncomingMessage, signal: AbortSignal): Handshake {
  const { socket, url = '/' } = request
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return {
    url,
    headers,
    origin: headers.origin,
    remoteAddress: plainAddress(socket.remoteAddress),
    secure: 'encrypted' in socket && socket.encrypted === true,
    protocols: offeredProtocols(headers['sec-websocket-protocol']),
    signal,
  }
}

function destroy(this: Duplex): void {
  this.destroy()
}
