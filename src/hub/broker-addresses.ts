import { FairleadError } from '../core/errors.ts'
import { describeAddress, unknownKey } from '../core/options/driver-options.ts'

/** What a driver takes as options, for checks that are the same for all that take addresses. */
export interface BrokerForm {
  /** For messages: `nats`. */
  readonly driver: string
  /** Of the option that holds the addresses. */
  readonly addresses: string
  /** Every other option. */
  readonly others: readonly string[]
  /** How an address may begin: `nats:`. */
  readonly schemes: readonly string[]
  /** How addresses look: `nats://host:4222`. */
  readonly examples: string
}

export interface BrokerAddresses<Options> {
  readonly options: Options
  /** At least one. Without what was before an `@`. */
  readonly urls: readonly URL[]
  /** What stood before an `@`, the same in every address that has it; empty when there was none. */
  readonly user: string
  readonly password: string
}

const encoded = 'with , / ? # @ and % of user and password written as %2C %2F %3F %23 %40 and %25'

/**
 * Addresses as a text with commas or as an option, and nothing that would be ignored.
 * @throws FairleadError CONFIG_INVALID, which never repeats what may hold a password
 */
export function parseBrokerAddresses<Options extends object>(
  given: unknown,
  form: BrokerForm,
): BrokerAddresses<Options> {
  const wrong = (expected: string, found: string) => wrongOption(form, expected, found)
  const isObject = typeof given === 'object' && given !== null
  const options: object = isObject
    ? given
    : { [form.addresses]: typeof given === 'string' ? given.split(',') : given }
  const fields = [form.addresses, ...form.others]
  const unknown = unknownKey(options, fields)
  if (unknown !== null) throw wrong(fields.join(', '), unknown)
  const listed = (options as Record<string, unknown>)[form.addresses]
  const texts: readonly unknown[] = Array.isArray(listed) ? listed : [listed]
  if (texts.length === 0) throw wrong(`at least one address as \`${form.addresses}\``, 'none')
  const found = texts.map((text) => parseAddress(text, form))
  const withUser = found.filter(({ user, password }) => user !== '' || password !== '')
  const [first = { user: '', password: '' }] = withUser
  if (withUser.some(({ user, password }) => user !== first.user || password !== first.password)) {
    throw wrong('the same user and password in every address that has them', 'others')
  }
  return {
    options: options as Options,
    urls: found.map(({ url }) => url),
    user: first.user,
    password: first.password,
  }
}

/** An option that is a text, or is not there. */
export function textOption(form: BrokerForm, name: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw wrongOption(form, `a text as \`${name}\``, value === '' ? 'an empty one' : typeof value)
}

/** An option that is an object, or is not there. */
export function objectOption<Value extends object>(form: BrokerForm, name: string, value: Value | undefined) {
  if (value === undefined || (typeof value === 'object' && value !== null)) return value
  throw wrongOption(form, `an object as \`${name}\``, value === null ? 'null' : typeof value)
}

export function wrongOption({ driver }: BrokerForm, expected: string, found: string): FairleadError {
  return new FairleadError('CONFIG_INVALID', `${driver}: expected ${expected}, found ${found}`, {
    source: 'config',
    retryable: false,
  })
}

function parseAddress(text: unknown, form: BrokerForm): { url: URL; user: string; password: string } {
  const wanted = `an address as ${form.examples}`
  const trimmed = typeof text === 'string' ? text.trim() : ''
  if (!form.schemes.some((scheme) => trimmed.toLowerCase().startsWith(`${scheme}//`))) {
    throw wrongOption(form, wanted, describeAddress(text))
  }
  const url = URL.canParse(trimmed) ? new URL(trimmed) : null
  const behind = url === null ? '' : url.pathname.replace(/^\/$/, '') + url.search + url.hash
  if (url === null || url.hostname === '' || behind !== '') {
    throw wrongOption(form, `${wanted}, ${encoded}, and nothing behind the port`, 'something else')
  }
  if (url.port === '0') throw wrongOption(form, 'a port from 1 to 65535', '0')
  const user = decoded(url.username, form)
  const password = decoded(url.password, form)
  url.username = ''
  url.password = ''
  return { url, user, password }
}

function decoded(text: string, form: BrokerForm): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrongOption(form, `an address ${encoded}`, 'a % of its own')
  }
}
