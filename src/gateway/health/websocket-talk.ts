import { randomBytes } from 'node:crypto'
import { isFailure } from '../../http1/failure.ts'
import { HeadReader } from '../../http1/head-reader.ts'
import { parseResponseHead, type ResponseHead } from '../../http1/response-head.ts'
import { encodeHead, requestStart } from '../../http1/write-head.ts'
import type { Socket } from '../../net/socket.ts'
import { encodeCloseFrame, encodePingFrame } from '../../websocket/frame.ts'
import { checkUpgradeResponse } from '../../websocket/handshake.ts'
import { PongReader } from '../../websocket/pong-reader.ts'
import { announcedIn } from './announced.ts'
import type { WebSocketProbeConfig } from './health-options.ts'
import { probeFields } from './http-talk.ts'
import type { Announced, ProbeTalk } from './probe.ts'

const limits = { bytes: 16 * 1024, fields: 100 }

/**
 * A handshake with a valid 101, then a ping that has to be answered: a program that is stuck may well have
 * somebody in front of it who still accepts and even upgrades.
 */
export class WebSocketTalk implements ProbeTalk {
  announced: Announced | null = null
  readonly #config: WebSocketProbeConfig
  readonly #authority: string
  readonly #key = randomBytes(16).toString('base64')
  readonly #payload = randomBytes(8)
  readonly #reader = new HeadReader<ResponseHead>(limits)
  #pong: PongReader | null = null

  /** @param authority value of `Host` unless the config has another */
  constructor(config: WebSocketProbeConfig, authority: string) {
    this.#config = config
    this.#authority = authority
  }

  hello(): Uint8Array {
    const { path, host, headers, protocol } = this.#config
    const asked = protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`
    const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${this.#key}\r\n`
    const start = requestStart('GET', path, host ?? this.#authority)
    return encodeHead(`${start}${probeFields(headers)}${upgrade}${asked}\r\n`)
  }

  heard(chunk: Uint8Array, socket: Socket): string | null | undefined {
    if (this.#pong !== null) return this.#pong.read(chunk)
    let bytes: Uint8Array | null = chunk
    while (bytes !== null) {
      const head = this.#reader.read(bytes, parseHead)
      if (head === undefined) return undefined
      if (isFailure(head)) return `its answer is malformed: ${head.reason}`
      bytes = this.#reader.rest
      this.announced = announcedIn(head)
      if (head.status === 101 || head.status >= 200) return this.#check(head, bytes, socket)
    }
    return undefined
  }

  ended(): string {
    return this.#pong === null
      ? 'it closed the connection before it answered the upgrade'
      : 'it closed the connection before it answered the ping'
  }

  /** RFC 6455 §7.1.1: the server ends the connection, so we wait for it. */
  goodbye(): Uint8Array {
    return encodeCloseFrame(1000, '', randomBytes(4))
  }

  #check(head: ResponseHead, rest: Uint8Array | null, socket: Socket): string | null | undefined {
    const { protocol } = this.#config
    const chosen = head.fields.whole('sec-websocket-protocol')
    const problem = checkUpgradeResponse({
      status: head.status,
      upgrade: head.upgrade ?? undefined,
      accept: head.fields.whole('sec-websocket-accept'),
      key: this.#key,
      protocol: chosen,
      offeredProtocols: protocol,
      extensions: head.fields.whole('sec-websocket-extensions'),
      offeredExtensions: undefined,
    })
    if (problem !== null) return `its answer to the upgrade is not valid: ${problem}`
    if (chosen !== protocol) return `it did not agree to the subprotocol ${protocol}`
    this.#pong = new PongReader(this.#payload)
    socket.write(encodePingFrame(this.#payload, randomBytes(4)))
    return rest === null ? undefined : this.#pong.read(rest)
  }
}

function parseHead(bytes: Uint8Array, start: number, end: number) {
  return parseResponseHead(bytes, start, end, limits, 'GET')
}
