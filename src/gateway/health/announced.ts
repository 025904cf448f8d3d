import type { ResponseHead } from '../../http1/response-head.ts'
import type { Announced } from './probe.ts'

/**
 * What an answer says about its backend, by a field `Fairlead-State: draining`; anything else is active. Null for an
 * interim answer.
 */
export function announcedIn(head: ResponseHead): Announced | null {
  if (head.status < 200 && head.status !== 101) return null
  return head.fields.get('fairlead-state')?.trim().toLowerCase() === 'draining' ? 'draining' : 'active'
}
