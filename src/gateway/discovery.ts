/**
 * The port through which a gateway learns which backends there are. Drivers implement it (`src/drivers`), and one
 * contract suite (`discovery-contract.ts`) holds all of them to every sentence below.
 */

/** A backend that was found. Whether it may serve is not for the source to say. */
export interface DiscoveredBackend {
  /** As in the configuration: `host:port`, `[ipv6]:port` or `unix:/path`. */
  readonly address: string
  /** From 0 to 256. */
  readonly weight: number
}

/** Who is told. Never throws. */
export interface DiscoverySink {
  /**
   * All there is now, in any order, each address once. Replaces what was told before. An empty list is believed: it
   * MUST be told only by a source that knows that there is nobody, never by one that could not find out.
   */
  found(backends: readonly DiscoveredBackend[]): void
  /**
   * It cannot be found out at the moment; what was found last stays in force. The source goes on trying.
   * @param reason for people: what was asked, and what went wrong
   */
  failed(reason: string): void
}

/** Where backends are found. */
export interface DiscoverySource {
  /**
   * Begins. MUST tell `found` or `failed` within some seconds, and again after each change that it notices, from then
   * on until `stop`. MUST NOT tell anything before it returns. Called once.
   */
  start(sink: DiscoverySink): void
  /** Nothing is told any more, and no timer, socket or watch is left. May be called twice, and without `start`. */
  stop(): void
}
