/** What happens in a storm: who returns, and to what. */
export interface Storm {
  /** Clients that return at the same moment. */
  readonly clients: number
  /** Backends behind the proxy. */
  readonly backends: number
  /** How many of them are gone when the clients return. */
  readonly down: number
  readonly server: ServerLimits
  /** After so long whoever is not in has failed. */
  readonly deadlineMs: number
}

/** How much a backend can do. Its handshakes are serial: one after the other, in the order of arrival. */
export interface ServerLimits {
  /** Work for one handshake: a session is looked up, a token is checked, a room is joined. */
  readonly handshakeMs: number
  /** Connections that wait for their handshake; with more, new ones are reset. 511 is what Node and nginx listen with. */
  readonly line: number
  /** Work for one that is reset: it has been accepted, and with TLS has been greeted, before anybody can tell. */
  readonly refusalMs: number
}

/** New connections a second that one backend can take for long. */
export function rateOf({ server }: Storm): number {
  return 1000 / server.handshakeMs
}

/** Milliseconds after which this share of the clients would be in if every live backend were busy all the time. */
export function idealWait(storm: Storm, share: number): number {
  return (share * storm.clients * 1000) / ((storm.backends - storm.down) * rateOf(storm))
}

/** What a backend is told and says, a JSON line each. */
export type BackendCommand = 'begin' | 'report'
export interface BackendReport {
  /** When connections came since `begin`, in milliseconds since 1970, ascending. */
  readonly arrivals: readonly number[]
  /** How many of them were reset. */
  readonly refused: number
  /** Longest time in which it did not get to run: it saw who came meanwhile all at once, however evenly they came. */
  readonly pausedMs: number
}

/** What the clients are told, a JSON line each. */
export type ClientsCommand =
  | { readonly kind: 'calm'; readonly port: number; readonly clients: number; readonly perSecond: number }
  | { readonly kind: 'storm'; readonly port: number; readonly clients: number; readonly deadlineMs: number }
  | { readonly kind: 'leave' }

/** What became of the clients. */
export interface ClientsReport {
  /** When the first of them dialled, in milliseconds since 1970. */
  readonly startedAt: number
  /** One entry for each client that got in. */
  readonly entries: readonly Entry[]
  /** Attempts that failed, by what the client saw. */
  readonly failures: Readonly<Record<string, number>>
  /** Tunnels that ended before the storm was over. */
  readonly lost: number
}

export interface Entry {
  /** When it got in, in milliseconds since 1970. */
  readonly at: number
  /** Milliseconds since its first attempt. */
  readonly waited: number
  /** 1 when the first attempt went well. */
  readonly attempt: number
}

/** Milliseconds since 1970, the same in every process and never backwards within one. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}
