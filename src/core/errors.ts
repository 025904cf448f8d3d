/** Whose fault an error is. */
export type ErrorSource = 'client' | 'backend' | 'cluster' | 'config' | 'internal'

/**
 * Every stable error code. Codes are part of the public interface: they stand in logs, and each has a heading
 * in `docs/reference/errors.md` (a test holds the two lists together).
 */
export type ErrorCode =
  // config
  | 'CONFIG_INVALID'
  | 'CONFIG_NOT_FOUND'
  | 'LISTEN_ADDRESS_IN_USE'
  | 'LISTEN_FAILED'
  // client
  | 'REQUEST_MALFORMED'
  | 'REQUEST_HEAD_TOO_LARGE'
  | 'REQUEST_HEAD_TIMEOUT'
  | 'REQUEST_BODY_MALFORMED'
  | 'REQUEST_BODY_TIMEOUT'
  | 'UPGRADE_INVALID'
  | 'CLIENT_GONE'
  | 'ROUTE_NOT_FOUND'
  | 'CLIENT_LIMIT'
  | 'CLIENT_RATE'
  // backend
  | 'NO_BACKEND'
  | 'BACKEND_REFUSED'
  | 'BACKEND_CONNECT_TIMEOUT'
  | 'BACKEND_RESPONSE_TIMEOUT'
  | 'BACKEND_BODY_TIMEOUT'
  | 'BACKEND_RESPONSE_INVALID'
  | 'BACKEND_CLOSED'
  | 'BACKEND_UPGRADE_INVALID'
  // cluster
  | 'CLUSTER_UNAVAILABLE'
  | 'CLUSTER_UNCERTAIN'
  | 'CLUSTER_REFUSED'
  // gateway
  | 'WAITING_ROOM_FULL'
  | 'WAITED_TOO_LONG'
  | 'GATEWAY_FULL'
  | 'DESCRIPTORS_LOW'
  | 'GATEWAY_STOPPING'
  | 'INTERNAL'

export interface ErrorDetails {
  readonly source: ErrorSource
  /** Whether doing the same again may succeed. */
  readonly retryable: boolean
  readonly cause?: unknown
}

/** What happened (`code`, `message`), whose fault it is (`source`), and whether to try again (`retryable`). */
export class FairleadError extends Error {
  override readonly name = 'FairleadError'
  readonly code: ErrorCode
  readonly source: ErrorSource
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.source = details.source
    this.retryable = details.retryable
  }
}
