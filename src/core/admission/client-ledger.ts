import { type RateRule, TokenBucket } from './token-bucket.ts'

/** What one client may do. */
export interface ClientLimits {
  /** Connections at a time, those that wait included; Infinity: no limit. */
  readonly maxConnections: number
  /** New connections; null: no limit. */
  readonly rate: RateRule | null
}

/** A client's account. Only the ledger changes it. */
export interface ClientAccount {
  readonly key: string
  /** Connections that wait, are being made or are open. */
  connections: number
  bucket: TokenBucket | null
}

/** Why a client may not have another connection, and milliseconds until it may, as far as that is known. */
export interface ClientRefusal {
  readonly reason: 'connections' | 'rate'
  readonly wait: number
}

/** Accounts without connections that are looked at when another one comes to rest. */
const sweepStep = 2

/**
 * Counts the connections of each client and how fast it makes new ones. Remembers clients that have connections,
 * and others only until their bucket is full again, `mostResting` at most: beyond that the one that has rested
 * longest is forgotten, which gives it a full bucket early. So many addresses cannot fill the memory.
 */
export class ClientLedger {
  limits: ClientLimits
  readonly #mostResting: number
  readonly #accounts = new Map<string, ClientAccount>()
  /** Accounts without connections, the longest at rest first. */
  readonly #resting = new Set<ClientAccount>()

  constructor(limits: ClientLimits, mostResting = 65_536) {
    this.limits = limits
    this.#mostResting = mostResting
  }

  /** Clients that are remembered. */
  get size(): number {
    return this.#accounts.size
  }

  /** Those of them that have no connection. */
  get resting(): number {
    return this.#resting.size
  }

  /** Opens one more connection on a client's account, to be given back by `close`; or says why not. */
  open(key: string, now: number): ClientAccount | ClientRefusal {
    const known = this.#accounts.get(key)
    const connections = known?.connections ?? 0
    const { maxConnections, rate } = this.limits
    if (connections >= maxConnections) return { reason: 'connections', wait: 0 }
    const bucket = this.#bucketOf(known, rate)
    if (bucket?.take(now) === false) return { reason: 'rate', wait: bucket.wait(now) }
    const account = known ?? { key, connections, bucket }
    account.bucket = bucket
    account.connections++
    if (known === undefined) this.#accounts.set(key, account)
    else if (connections === 0) this.#resting.delete(account)
    return account
  }

  /** A connection is over. Exactly once for each that was opened. */
  close(account: ClientAccount, now: number): void {
    account.connections--
    if (account.connections > 0) return
    this.#resting.add(account)
    this.#forgetIdle(now, sweepStep)
    if (this.#resting.size > this.#mostResting) this.#forgetOldest()
  }

  /** Forgets everybody who is as good as new. */
  sweep(now: number): void {
    this.#forgetIdle(now, Number.POSITIVE_INFINITY)
  }

  #bucketOf(known: ClientAccount | undefined, rate: RateRule | null): TokenBucket | null {
    if (rate === null) return null
    const bucket = known?.bucket ?? null
    if (bucket === null) return new TokenBucket(rate)
    if (bucket.rule !== rate) bucket.rule = rate
    return bucket
  }

  /** Looks at the oldest first; those that are not idle yet go to the end, so that each is looked at in turn. */
  #forgetIdle(now: number, most: number): void {
    let looks = Math.min(most, this.#resting.size)
    for (const account of this.#resting) {
      if (looks-- <= 0) return
      this.#resting.delete(account)
      if (account.bucket?.full(now) === false) this.#resting.add(account)
      else this.#accounts.delete(account.key)
    }
  }

  #forgetOldest(): void {
    for (const account of this.#resting) {
      this.#resting.delete(account)
      this.#accounts.delete(account.key)
      return
    }
  }
}
