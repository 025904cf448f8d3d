import { TokenBucket } from '../core/admission/token-bucket.ts'
import type { HubLog } from './log.ts'

/** Lines about one event at once, and a second after that. */
const burst = 10
const perSecond = 1

/**
 * A log that clients cannot fill: what they can bring about as often as they like, such as a handler that fails, is an
 * error, and of errors of one event only so many are written. The next one that is says how many were not:
 * `suppressed`.
 */
export function limitLog(log: HubLog, now: () => number): HubLog {
  const events = new Map<unknown, { readonly bucket: TokenBucket; suppressed: number }>()
  return {
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error(fields, message) {
      const event = 'event' in fields ? fields.event : null
      let seen = events.get(event)
      if (seen === undefined) {
        seen = { bucket: new TokenBucket({ perSecond, burst }), suppressed: 0 }
        events.set(event, seen)
      }
      if (!seen.bucket.take(now())) {
        seen.suppressed++
        return
      }
      const { suppressed } = seen
      seen.suppressed = 0
      log.error(suppressed === 0 ? fields : { ...fields, suppressed }, message)
    },
  }
}
