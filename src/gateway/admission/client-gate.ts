import type { Socket } from '../../net/socket.ts'
import { failureAnswer } from '../error-answer.ts'
import { statusOf } from '../failure.ts'
import type { Timers } from '../timers.ts'
import type { Descriptors } from './descriptors.ts'
import { RefusedClients } from './refused-clients.ts'

/** A client connection, as far as it may have to make room for another one. */
interface Sheddable {
  /** Closes it if it waits for its next request; false when it does not. */
  shed(): boolean
}

/** What the gate needs of its gateway. */
interface GateHost<Client extends Sheddable> {
  readonly timers: Timers
  readonly descriptors: Descriptors
  readonly clients: ReadonlySet<Client>
  nextRequestId(): string
}

/** Milliseconds for which nobody is asked again after all clients were found busy. */
const busyPause = 100

/** Takes accepted sockets in while there may be more clients, and refuses the others politely. */
export class ClientGate<Client extends Sheddable> {
  readonly #host: GateHost<Client>
  readonly #refused: RefusedClients
  /** Where the search for idle clients goes on, so that each is looked at once per round. */
  #search: Iterator<Client> | null = null
  #busyUntil = Number.NEGATIVE_INFINITY

  constructor(host: GateHost<Client>) {
    this.#host = host
    this.#refused = new RefusedClients(host.timers, host.descriptors)
  }

  /** Whether this client may come in; if not, it was answered already. */
  admits(socket: Socket): boolean {
    const { descriptors } = this.#host
    const room = descriptors.clients < descriptors.clientLimit && descriptors.mayConnect()
    if (room || this.#shed()) return true
    descriptors.refused()
    this.#refused.add(socket, this.#answer(), descriptors.mostRefusing)
    return false
  }

  abort(): void {
    this.#refused.abort()
  }

  /** Closes a connection that only waits for its next request. */
  #shed(): boolean {
    const now = this.#host.timers.now()
    if (now < this.#busyUntil) return false
    this.#search ??= this.#host.clients.values()
    for (let next = this.#search.next(); next.done !== true; next = this.#search.next()) {
      if (next.value.shed()) return true
    }
    this.#search = null
    this.#busyUntil = now + busyPause
    return false
  }

  #answer(): Uint8Array {
    const failure = {
      code: 'GATEWAY_FULL',
      message: 'the gateway has as many connections as it may have',
    } as const
    return failureAnswer(failure, statusOf(failure), this.#host.nextRequestId(), null, false)
  }
}
