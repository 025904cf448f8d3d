import type { RequestHead } from '../http1/request-head.ts'
import { responseStart, statusText } from '../http1/write-head.ts'
import { supportedVersion } from '../websocket/handshake.ts'
import type { Failure } from './failure.ts'

/** Seconds after which a client without a backend may try again; spread, so that they do not come back at once. */
const retryAfter = { least: 1, most: 5 }

/** The whole answer to a request that failed: a short plain text that names the code and the request's id. */
export function failureAnswer(
  failure: Failure,
  status: number,
  requestId: string,
  head: RequestHead | null,
  keepOpen: boolean,
): Uint8Array {
  const body = `${status} ${statusText(status)}: ${failure.message} (${failure.code}, request ${requestId})\n`
  let text = responseStart(status)
  text += 'Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n'
  text += `Content-Length: ${Buffer.byteLength(body)}\r\n`
  const seconds = failure.retryAfter ?? (status === 503 ? retrySeconds() : 0)
  if (seconds > 0) text += `Retry-After: ${seconds}\r\n`
  if (status === 426) text += `Sec-WebSocket-Version: ${supportedVersion}\r\nUpgrade: websocket\r\n`
  text += connectionField(status, head, keepOpen)
  return Buffer.from(head?.method === 'HEAD' ? `${text}\r\n` : `${text}\r\n${body}`)
}

function connectionField(status: number, head: RequestHead | null, keepOpen: boolean): string {
  const options = status === 426 ? ['Upgrade'] : []
  if (!keepOpen) options.push('close')
  else if (head?.minor === 0) options.push('keep-alive')
  return options.length === 0 ? '' : `Connection: ${options.join(', ')}\r\n`
}

function retrySeconds(): number {
  return retryAfter.least + Math.floor(Math.random() * (retryAfter.most - retryAfter.least + 1))
}
