type Latin1Write = (this: Uint8Array, text: string, offset: number, length: number) => number
const latin1Write = (Buffer.prototype as unknown as { latin1Write: Latin1Write }).latin1Write

/**
 * The bytes of a head and of the first piece of its body in one buffer, so that both leave in one write.
 *
 * @param text a complete head, one character per byte: what a parser accepted, constants, and values that passed
 *   `isFieldValue`. A character beyond U+00FF would lose its upper bits, and might so become a line end.
 */
export function encodeHead(text: string, body?: Uint8Array): Uint8Array {
  if (body === undefined || body.length === 0) return Buffer.from(text, 'latin1')
  const bytes = Buffer.allocUnsafe(text.length + body.length)
  latin1Write.call(bytes, text, 0, text.length)
  bytes.set(body, text.length)
  return bytes
}

/** One chunk of a `chunked` body (RFC 9112 §7.1) in one buffer. The data must not be empty: that would be the end. */
export function encodeChunk(data: Uint8Array): Uint8Array {
  const line = `${data.length.toString(16)}\r\n`
  const bytes = Buffer.allocUnsafe(line.length + data.length + 2)
  latin1Write.call(bytes, line, 0, line.length)
  bytes.set(data, line.length)
  bytes[bytes.length - 2] = 13
  bytes[bytes.length - 1] = 10
  return bytes
}

/** The end of a `chunked` body without trailers. */
export function encodeLastChunk(): Uint8Array {
  return Buffer.from('0\r\n\r\n')
}

/**
 * The text of a request head up to and without the empty line: request line, `Host`, and nothing else.
 *
 * @param authority as in `RequestHead.authority`; without one (HTTP/1.0) an empty `Host` is sent, as
 *   RFC 9112 §3.2 asks for when the authority is not known
 */
export function requestStart(method: string, target: string, authority: string): string {
  return `${method} ${target} HTTP/1.1\r\nHost: ${authority}\r\n`
}

/** The status line; the reason is the standard one unless another is given. */
export function responseStart(status: number, reason: string = statusText(status)): string {
  return `HTTP/1.1 ${status} ${reason}\r\n`
}

const reasons: Record<number, string> = {
  100: 'Continue',
  101: 'Switching Protocols',
  102: 'Processing',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  207: 'Multi-Status',
  208: 'Already Reported',
  226: 'IM Used',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  305: 'Use Proxy',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  423: 'Locked',
  424: 'Failed Dependency',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  506: 'Variant Also Negotiates',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
  511: 'Network Authentication Required',
}

/** The standard reason phrase of a status (IANA registry), `''` for one that is not registered. */
export function statusText(status: number): string {
  return reasons[status] ?? ''
}
