import type { SecureContextOptions } from 'node:tls'
import { FairleadError } from '../../core/errors.ts'
import { describeAddress, unknownKey } from '../../core/options/driver-options.ts'

/** Members of one etcd cluster, and how to get in. */
export interface EtcdOptions {
  /** `http://host:2379` or `https://host:2379`. Of several, any that answers is used. */
  readonly endpoints: string | readonly string[]
  readonly username?: string
  readonly password?: string
  /** Certificates for `https`: `ca`, `cert` and `key`, as Node's `tls` takes them. */
  readonly tls?: Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'passphrase'>
}

/** Options as parsed. */
export interface EtcdPlace {
  /** Origins, without what was before an `@`. */
  readonly endpoints: readonly URL[]
  /** Null when etcd asks for none. */
  readonly user: { readonly name: string; readonly password: string } | null
  readonly tls: NonNullable<EtcdOptions['tls']>
}

const knownKeys = ['endpoints', 'username', 'password', 'tls']

/** @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
export function parseEtcdOptions(given: string | EtcdOptions | undefined): EtcdPlace {
  const options = optionsOf(given)
  const unknown = unknownKey(options, knownKeys)
  if (unknown !== null) throw wrong(knownKeys.join(', '), unknown)
  const { endpoints, username, password, tls = {} } = options
  const list: readonly unknown[] = Array.isArray(endpoints) ? endpoints : [endpoints]
  const urls = list.map(parseEndpoint)
  const [first] = urls
  if (first === undefined) throw wrong('at least one address as `endpoints`', 'none')
  const name = username ?? decoded(first.username)
  const secret = password ?? decoded(first.password)
  if (name === '' && secret !== '') throw wrong('a user with the password', 'none')
  return {
    endpoints: urls.map(({ origin }) => new URL(origin)),
    user: name === '' ? null : { name, password: secret },
    tls,
  }
}

function optionsOf(given: string | EtcdOptions | undefined): EtcdOptions {
  if (typeof given === 'object' && given !== null) return given
  return { endpoints: typeof given === 'string' ? given.split(',') : (given as unknown as string) }
}

function parseEndpoint(text: unknown): URL {
  const url = typeof text === 'string' && URL.canParse(text.trim()) ? new URL(text.trim()) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '') {
    throw wrong('an address as http://host:2379 or https://host:2379', describeAddress(text))
  }
  return url
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong('user and password with % only before two hexadecimal digits', 'something else')
  }
}

function wrong(expected: string, found: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', `etcd: expected ${expected}, found ${found}`, {
    source: 'config',
    retryable: false,
  })
}
