import { createHmac } from 'node:crypto'
import type { Secret } from '../core/secret.ts'
import { cookieValue } from '../http1/cookie.ts'
import type { Fields } from '../http1/fields.ts'
import type { Backend } from './backend.ts'

/** Bytes of the signature that are used: nobody finds another value that fits, and the cookie stays short. */
const signatureBytes = 18

/**
 * The cookie that pins clients to backends. Its value for a backend is the HMAC-SHA256 of the address: the same
 * from every gateway with the secret, not to be made without it, and telling nothing about the address. All
 * values are known beforehand, so a request costs a look into a map and no cryptography.
 */
export class StickyCookie {
  readonly #name: string
  readonly #values: ReadonlyMap<Backend, string>
  readonly #indices: ReadonlyMap<string, number>

  constructor(name: string, secret: Secret, backends: readonly Backend[]) {
    this.#name = name
    const values = backends.map(({ address }) =>
      createHmac('sha256', secret.reveal())
        .update(`fairlead sticky cookie 1\n${address}`)
        .digest()
        .subarray(0, signatureBytes)
        .toString('base64url'),
    )
    this.#values = new Map(backends.map((backend, index) => [backend, values[index] as string]))
    this.#indices = new Map(values.map((value, index) => [value, index]))
  }

  /** The index of the backend to which the client is pinned; -1 without a cookie that is ours. */
  indexOf(fields: Fields): number {
    const value = cookieValue(fields, this.#name)
    return value === undefined ? -1 : (this.#indices.get(value) ?? -1)
  }

  /** The field that pins a client (RFC 6265 §4.1), for as long as the client calls its session. */
  field(backend: Backend, secure: boolean): string {
    const value = this.#values.get(backend) as string
    return `Set-Cookie: ${this.#name}=${value}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}\r\n`
  }
}
