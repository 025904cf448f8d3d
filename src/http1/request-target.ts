import { parseAuthority } from './authority.ts'
import { failure, type HeadFailure } from './failure.ts'
import { normalisePath } from './path.ts'

/** A request target taken apart (RFC 9112 §3.2). */
export interface RequestTarget {
  /** What is forwarded: the normalised path and the query, or `*`. */
  readonly target: string
  /** The normalised path, or `*`. */
  readonly path: string
  /** `''`, or the query with its `?`, untouched. */
  readonly query: string
  /** The authority of an absolute-form target, `''` otherwise. */
  readonly authority: string
  /** The port that the scheme of an absolute-form target implies, 0 otherwise. */
  readonly defaultPort: number
}

const badTarget = failure(400, 'invalid request target')
const badPath = failure(400, 'invalid path in the request target')
const badAuthority = failure(400, 'invalid authority in the request target')
const badAsterisk = failure(400, 'request target * with a method other than OPTIONS')

/**
 * Accepts origin form, absolute form with `http` or `https`, and `*` for OPTIONS. Authority form belongs to
 * CONNECT, which is refused before. The caller has checked that all characters are visible ASCII but `#`.
 */
export function parseTarget(text: string, method: string): RequestTarget | HeadFailure {
  if (text.charCodeAt(0) === 0x2f) return originForm(text, '', 0)
  if (text === '*') return method === 'OPTIONS' ? asterisk('', 0) : badAsterisk
  return absoluteForm(text, method)
}

function originForm(text: string, authority: string, defaultPort: number): RequestTarget | HeadFailure {
  const mark = text.indexOf('?')
  const raw = mark === -1 ? text : text.substring(0, mark)
  const query = mark === -1 ? '' : text.substring(mark)
  const path = normalisePath(raw)
  if (path === null) return badPath
  // Nothing changed in almost every request: then no new string is built.
  const target = path === raw ? text : path + query
  return { target, path, query, authority, defaultPort }
}

function absoluteForm(text: string, method: string): RequestTarget | HeadFailure {
  const match = /^(https?):\/\/([^/?]*)/i.exec(text)
  if (match === null) return badTarget
  const authority = match[2] as string
  if (parseAuthority(authority) === null) return badAuthority
  const defaultPort = match[1]?.length === 5 ? 443 : 80
  const rest = text.substring(match[0].length)
  // RFC 9112 §3.2.4: OPTIONS on an authority without path and query is sent on as `*`.
  if (rest === '' && method === 'OPTIONS') return asterisk(authority, defaultPort)
  return originForm(rest.charCodeAt(0) === 0x2f ? rest : `/${rest}`, authority, defaultPort)
}

function asterisk(authority: string, defaultPort: number): RequestTarget {
  return { target: '*', path: '*', query: '', authority, defaultPort }
}
