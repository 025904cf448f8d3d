import { isUint8Array } from 'node:util/types'
import { headerLength, writeHeader } from '../websocket/data-frame.ts'
import type { Data } from './local.ts'

/** A message that is being sent, made once for everybody who gets it. Holds its own copy of bytes. */
export class Message {
  /** Bytes without framing. */
  readonly size: number
  readonly #text: string | null
  #frame: Buffer | null = null
  /** Made once, not for each member of a room. */
  #bytes: Uint8Array | null = null

  /** @throws TypeError when `data` is neither text nor bytes */
  constructor(data: Data) {
    if (typeof data === 'string') {
      this.#text = data
      this.size = Buffer.byteLength(data)
      return
    }
    checkData(data)
    this.#text = null
    this.size = data.length
    // The sender may write to its bytes again before they have left, so they are copied now, once.
    const start = headerLength(data.length)
    const frame = Buffer.allocUnsafe(start + data.length)
    writeHeader(frame, 'binary', data.length)
    frame.set(data, start)
    this.#frame = frame
  }

  /** Not to be written to. */
  get data(): Data {
    if (this.#text !== null) return this.#text
    this.#bytes ??= (this.#frame as Buffer).subarray(headerLength(this.size))
    return this.#bytes
  }

  /** The whole frame, as a server sends it. */
  frame(): Buffer {
    if (this.#frame !== null) return this.#frame
    const start = headerLength(this.size)
    const frame = Buffer.allocUnsafe(start + this.size)
    writeHeader(frame, 'text', this.size)
    frame.write(this.#text as string, start)
    this.#frame = frame
    return frame
  }
}

/** @throws TypeError when it is neither text nor bytes */
export function checkData(data: unknown): asserts data is Data {
  // Not by its class: bytes of another realm, as in Jest and node:vm, are bytes, too.
  if (typeof data === 'string' || isUint8Array(data)) return
  throw new TypeError(`expected a string or a Uint8Array as message, found ${describe(data)}`)
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return typeof value
  const { constructor: made } = value
  return typeof made === 'function' && made.name !== '' ? made.name : 'an object'
}
