import type { ErrorCode } from '../core/errors.ts'

/** Why a request or an upgrade could not be served. A value, not an exception: it is part of normal traffic. */
export interface Failure {
  readonly code: ErrorCode
  /** One sentence for the log and for the client. Never names anything secret. */
  readonly message: string
  /** Instead of the usual status of the code. */
  readonly status?: number
  /** Seconds after which trying again may help. */
  readonly retryAfter?: number
}

const statuses: Partial<Record<ErrorCode, number>> = {
  REQUEST_MALFORMED: 400,
  REQUEST_HEAD_TOO_LARGE: 431,
  REQUEST_HEAD_TIMEOUT: 408,
  REQUEST_BODY_MALFORMED: 400,
  REQUEST_BODY_TIMEOUT: 408,
  UPGRADE_INVALID: 400,
  ROUTE_NOT_FOUND: 404,
  CLIENT_LIMIT: 429,
  CLIENT_RATE: 429,
  NO_BACKEND: 503,
  BACKEND_REFUSED: 502,
  BACKEND_CONNECT_TIMEOUT: 504,
  BACKEND_RESPONSE_TIMEOUT: 504,
  BACKEND_BODY_TIMEOUT: 504,
  BACKEND_RESPONSE_INVALID: 502,
  BACKEND_CLOSED: 502,
  BACKEND_UPGRADE_INVALID: 502,
  WAITING_ROOM_FULL: 503,
  WAITED_TOO_LONG: 503,
  GATEWAY_FULL: 503,
  DESCRIPTORS_LOW: 503,
  GATEWAY_STOPPING: 503,
}

/** Whether a backend failed to answer as it should, and not the client or the gateway. */
export function isBackendsFault(code: ErrorCode): boolean {
  return code.startsWith('BACKEND_')
}

/** The HTTP status that tells a client about a failure. */
export function statusOf(failure: Failure): number {
  return failure.status ?? statuses[failure.code] ?? 500
}
