import type { SecureContextOptions } from 'node:tls'
import {
  type BrokerForm,
  objectOption,
  parseBrokerAddresses,
  textOption,
  wrongOption,
} from '../../hub/broker-addresses.ts'

/** Members of one etcd cluster, and how to get in. */
export interface EtcdOptions {
  /**
   * `http://[user:password@]host:2379`, or `https://` for TLS. Of several, any that answers is used, with the same
   * user. Without a port it is 80 or 443, as in every such address.
   */
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

const form: BrokerForm = {
  driver: 'etcd',
  addresses: 'endpoints',
  others: ['username', 'password', 'tls'],
  schemes: ['http:', 'https:'],
  examples: 'http://host:2379 or https://host:2379',
}

/** @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password */
export function parseEtcdOptions(given: string | EtcdOptions | undefined): EtcdPlace {
  const { options, urls, ...inUrl } = parseBrokerAddresses<EtcdOptions>(given, form)
  const name = textOption(form, 'username', options.username) ?? inUrl.user
  const password = textOption(form, 'password', options.password) ?? inUrl.password
  if ((name === '') !== (password === '')) {
    throw wrongOption(form, 'user and password', `a ${name === '' ? 'password' : 'user'} alone`)
  }
  const tls = objectOption(form, 'tls', options.tls)
  if (tls !== undefined && urls.every(({ protocol }) => protocol === 'http:')) {
    throw wrongOption(form, 'an address that begins with https:// for `tls`', 'none')
  }
  return { endpoints: urls, user: name === '' ? null : { name, password }, tls: tls ?? {} }
}
