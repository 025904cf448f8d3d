import type { SocketPort } from '../net/socket.ts'
import type { Admission } from './admission/admission.ts'
import type { Descriptors } from './admission/descriptors.ts'
import type { BackendConnectionHost } from './backend-connection.ts'
import type { ConnectionReuse } from './connection-reuse.ts'
import type { HealthKeeper } from './health/health-keeper.ts'
import type { Snapshot } from './snapshot.ts'
import type { TunnelHost } from './tunnel.ts'

/** What every connection of one gateway shares: what is live, and the snapshot of what the configuration decides. */
export interface GatewayContext extends TunnelHost, BackendConnectionHost {
  /** The present one. A request takes it once, when its head is complete, and goes by that to its end. */
  snapshot: Snapshot
  readonly sockets: SocketPort
  readonly reuse: ConnectionReuse
  readonly health: HealthKeeper
  readonly admission: Admission
  readonly descriptors: Descriptors
  /** True from the start of a drain: answers say `Connection: close`. */
  draining: boolean
  nextRequestId(): string
}
