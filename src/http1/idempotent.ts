const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** Whether sending a request twice does the same as sending it once (RFC 9110 §9.2.2). */
export function isIdempotent(method: string): boolean {
  return methods.has(method)
}
