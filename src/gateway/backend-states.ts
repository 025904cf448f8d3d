import { Timer } from '../core/timer-wheel.ts'
import { closeCodes } from '../protocol/close-codes.ts'
import type { Backend, BackendState } from './backend.ts'
import type { BackendConnection } from './backend-connection.ts'
import type { ConnectionReuse } from './connection-reuse.ts'
import type { GatewayEmitter, StateSource } from './events.ts'
import type { Log } from './log.ts'
import { PacedClose, type PacedCloseHost } from './paced-close.ts'

/** How long a backend's Close 1012 counts. One that takes longer to restart is found by its health or by connecting. */
const restartTime = 30_000

/** Two tunnels that are closed with 1012 within so many milliseconds mean a restart: one may have its own reason. */
const restartSigns = 10_000

/** Who was out for so many milliseconds may have lost what made it fast, and its clients: it starts slowly. */
const shortBreak = 3000

/** What the states need of their gateway. */
export interface BackendStatesHost extends PacedCloseHost {
  readonly log: Log
  readonly events: GatewayEmitter
  readonly reuse: ConnectionReuse
  readonly backendConnections: Iterable<BackendConnection>
  /** Is told of each change, and who serves again after it was out for a while. */
  readonly health: { stateChanged(backend: Backend): void; returned(backend: Backend): void }
  readonly snapshot: {
    readonly config: { readonly timeouts: { readonly drain: number; readonly halfClosed: number } }
  }
}

/** A drain under way. */
interface Drain {
  readonly close: PacedClose
  /** Whether the backend has been empty. */
  drained: boolean
  /** Those who wait for that, or for the end of the drain. */
  readonly waiting: ((drained: boolean) => void)[]
}

/**
 * Who may serve: changes the states of backends, drains those that are draining, and tells. Draining and disabled
 * ones get no new connections; what a disabled one has stays.
 */
export class BackendStates {
  readonly #host: BackendStatesHost
  #stopped = false
  readonly #drains = new Map<Backend, Drain>()
  readonly #restarts = new Map<Backend, Timer<() => void>>()
  /** When each one was taken out of service. */
  readonly #outSince = new WeakMap<Backend, number>()
  /** When each one last closed a tunnel with 1012. */
  readonly #signs = new WeakMap<Backend, number>()

  constructor(host: BackendStatesHost) {
    this.#host = host
  }

  /**
   * The operator empties a backend.
   * @param over milliseconds of the window
   * @returns true once it is empty, false when the drain ends before
   */
  drain(backend: Backend, over: number, by: StateSource = 'api'): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false)
    this.#order(backend, 'draining', by)
    // Another call gives another window.
    const waiting = this.#end(backend)?.waiting ?? []
    const drained = new Promise<boolean>((resolve) => waiting.push(resolve))
    this.#begin(backend, over, waiting)
    return drained
  }

  /** The operator lets it serve, whatever it says about itself. A drain under way ends; who is left stays. */
  enable(backend: Backend, by: StateSource = 'api'): void {
    const previous = backend.state
    this.#forgetRestart(backend)
    backend.announced = 'active'
    backend.ordered = 'active'
    this.#changed(backend, previous, by)
  }

  /** The operator gives it nothing new; who is there stays. */
  disable(backend: Backend, by: StateSource = 'api'): void {
    this.#order(backend, 'disabled', by)
  }

  /** The configuration says something else than before. */
  configure(backend: Backend, state: BackendState): void {
    this.#order(backend, state, 'config')
  }

  /** It is gone for good. */
  forget(backend: Backend): void {
    this.#giveUp(backend)
    this.#forgetRestart(backend)
  }

  /** What the backend says about itself, such as in the answer to a health probe. Counts until it says otherwise. */
  announce(backend: Backend, state: 'active' | 'draining'): void {
    this.#forgetRestart(backend)
    this.#announce(backend, state)
  }

  /**
   * The backend closed a tunnel with 1012, by itself; called once for each tunnel. What it says on two tunnels, or
   * on the only one it has, it says about itself. Counts for a while, since nothing tells when it is back.
   */
  restarting(backend: Backend): void {
    if (this.#stopped) return
    const now = this.#host.timers.now()
    const before = this.#signs.get(backend) ?? Number.NEGATIVE_INFINITY
    this.#signs.set(backend, now)
    if (backend.connections > 1 && now - before > restartSigns) return
    let timer = this.#restarts.get(backend)
    if (timer === undefined) {
      // It says by other means that it drains, which counts for longer.
      if (backend.announced === 'draining') return
      timer = new Timer(() => this.announce(backend, 'active'), call)
      this.#restarts.set(backend, timer)
    }
    this.#host.timers.schedule(timer, restartTime)
    this.#announce(backend, 'draining')
  }

  /** Ends every drain, and none begins any more; the states stay. */
  stop(): void {
    this.#stopped = true
    for (const backend of [...this.#drains.keys()]) this.#giveUp(backend)
    for (const backend of [...this.#restarts.keys()]) this.#forgetRestart(backend)
  }

  #order(backend: Backend, state: BackendState, by: StateSource): void {
    const previous = backend.state
    backend.ordered = state
    this.#changed(backend, previous, by)
  }

  #announce(backend: Backend, state: 'active' | 'draining'): void {
    const previous = backend.state
    backend.announced = state
    this.#changed(backend, previous, 'backend')
  }

  #changed(backend: Backend, previous: BackendState, by: StateSource): void {
    const { state, address } = backend
    if (state === previous) return
    const { log, events, reuse, snapshot } = this.#host
    if (state === 'active') this.#returned(backend)
    else reuse.closeOf(backend)
    if (previous === 'active') this.#outSince.set(backend, this.#host.timers.now())
    if (state === 'draining') this.#begin(backend, snapshot.config.timeouts.drain, [])
    else this.#giveUp(backend)
    const change = { backend: address, state, previous, by }
    log.info({ event: 'backend.state', ...change }, `backend ${address} is ${state}`)
    if (events.listens('backend.state')) events.emit('backend.state', change)
    this.#host.health.stateChanged(backend)
  }

  /** One that was out from the start was out for longer than a moment. */
  #returned(backend: Backend): void {
    const { timers, health } = this.#host
    const since = this.#outSince.get(backend) ?? Number.NEGATIVE_INFINITY
    if (timers.now() - since > shortBreak) health.returned(backend)
  }

  #begin(backend: Backend, over: number, waiting: Drain['waiting']): void {
    if (this.#stopped) return
    const { snapshot } = this.#host
    const drain: Drain = {
      close: new PacedClose(this.#host, {
        code: closeCodes.draining,
        over,
        patience: snapshot.config.timeouts.halfClosed,
        concerns: (tunnel) => tunnel.backend === backend,
        onStep: () => this.#look(backend, drain),
      }),
      drained: false,
      waiting,
    }
    this.#drains.set(backend, drain)
  }

  /** Tells when the backend is empty, which it stays: connects that were begun before the drain are waited for. */
  #look(backend: Backend, drain: Drain): boolean {
    if (backend.load > 0 || this.#busy(backend)) return false
    const { log, events } = this.#host
    for (const resolve of drain.waiting.splice(0)) resolve(true)
    if (!drain.drained) {
      drain.drained = true
      const told = { backend: backend.address }
      log.info({ event: 'backend.drained', ...told }, `backend ${backend.address} is drained`)
      if (events.listens('backend.drained')) events.emit('backend.drained', told)
    }
    return true
  }

  #busy(backend: Backend): boolean {
    for (const connection of this.#host.backendConnections) if (connection.backend === backend) return true
    return false
  }

  #end(backend: Backend): Drain | undefined {
    const drain = this.#drains.get(backend)
    drain?.close.stop()
    this.#drains.delete(backend)
    return drain
  }

  #giveUp(backend: Backend): void {
    for (const resolve of this.#end(backend)?.waiting ?? []) resolve(false)
  }

  #forgetRestart(backend: Backend): void {
    const timer = this.#restarts.get(backend)
    if (timer === undefined) return
    this.#host.timers.cancel(timer)
    this.#restarts.delete(backend)
  }
}

function call(callback: () => void): void {
  callback()
}
