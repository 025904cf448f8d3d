import { plainAddress } from '../plain-address.ts'
import { offeredProtocols } from '../subprotocols.ts'
import type { Handshake } from '../transport.ts'
import type { BunServer } from './bun-types.ts'
import { handshakeTarget } from './fetch-request.ts'

/**
 * What a request of a `fetch` server asks for. Most of it is made only for who reads it: the headers of ten thousand
 * handshakes that nobody looked at would stay in memory until Bun collects them, which an idle server does late.
 */
export class FetchHandshake implements Handshake {
  readonly remoteAddress: string
  readonly #request: Request
  #headers: Readonly<Record<string, string | undefined>> | null = null

  constructor(request: Request, server: BunServer) {
    this.#request = request
    this.remoteAddress = plainAddress(server.requestIP(request)?.address)
  }

  get url(): string {
    return handshakeTarget(this.#request)
  }

  get headers(): Readonly<Record<string, string | undefined>> {
    this.#headers ??= Object.fromEntries(this.#request.headers)
    return this.#headers
  }

  get origin(): string | undefined {
    return this.#request.headers.get('origin') ?? undefined
  }

  get secure(): boolean {
    return this.#request.url.startsWith('https:')
  }

  get protocols(): readonly string[] {
    return offeredProtocols(this.#request.headers.get('sec-websocket-protocol') ?? undefined)
  }

  /** Bun makes one when it is asked for it. */
  get signal(): AbortSignal {
    return this.#request.signal
  }
}
