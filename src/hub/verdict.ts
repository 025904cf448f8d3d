import { isName, nameRule } from './names.ts'
import type { Refusal, Welcome } from './options.ts'
import { token } from './subprotocols.ts'

/**
 * What `authenticate` may return. Whatever else it returns, by a slip of the pen or in a language that looks at no
 * types, lets nobody in: `{ statusCode: 401 }`, `{ ok: false }` and an error are no welcome.
 */

const welcomeFields = new Set(['user', 'data'])
/** What frames the answer, which is the transport's. */
const ownFields = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'upgrade'])
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

export function isRefusal(verdict: Refusal | Welcome<unknown>): verdict is Refusal {
  return 'status' in verdict
}

/** What is wrong with what `authenticate` has returned, or null: then it is a `Refusal` or a `Welcome`. */
export function problemOf(verdict: unknown): string | null {
  if (typeof verdict !== 'object' || verdict === null || Array.isArray(verdict)) {
    return `expected { user, data } or { status, reason } from authenticate, found ${kindOf(verdict)}`
  }
  if ('status' in verdict) return problemOfRefusal(verdict as Refusal)
  const keys = Object.keys(verdict)
  const { user } = verdict as { user?: unknown }
  // Somebody who was looked up and not found must not be let in as nobody.
  const says = Object.hasOwn(verdict, 'data') || (Object.hasOwn(verdict, 'user') && user !== undefined)
  if (!says || !keys.every((key) => welcomeFields.has(key))) {
    const found = keys.length === 0 ? 'neither' : `{ ${keys.slice(0, 10).join(', ')} }`
    return `expected { user, data } or { status, reason } from authenticate, found ${found}${says ? '' : ' without a user'}`
  }
  return user === undefined || isName(user) ? null : `expected ${nameRule} as user from authenticate`
}

/** Its kind and not itself: it may be a token or a cookie, and this is logged. */
function kindOf(verdict: unknown): string {
  if (Array.isArray(verdict)) return 'a list'
  return verdict === null || verdict === undefined ? String(verdict) : `a ${typeof verdict}`
}

function problemOfRefusal({ status, reason, headers = {} }: Refusal): string | null {
  if (!Number.isInteger(status) || status < 400 || status > 599) {
    return `expected a status from 400 to 599 from authenticate, found ${String(status)}`
  }
  if (typeof reason !== 'string') return 'expected a text as reason from authenticate'
  // A list, a Map or a Headers has its entries elsewhere.
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) {
    return 'expected an object as headers from authenticate'
  }
  for (const [name, value] of Object.entries(headers)) {
    const fine = token.test(name) && typeof value === 'string' && fieldValue.test(value)
    if (!fine) return `expected header fields from authenticate, found ${JSON.stringify(name)}`
    if (ownFields.has(name.toLowerCase())) {
      return `expected header fields from authenticate that do not frame the answer, found ${JSON.stringify(name)}`
    }
  }
  return null
}
