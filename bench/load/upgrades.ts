import { clientClose, serverClose } from '../frames.ts'
import type { Window, WindowResult } from '../job.ts'
import { Connection } from './connection.ts'
import { Fleet } from './fleet.ts'
import { Recorder } from './recorder.ts'
import { Tunnel } from './tunnel.ts'

/**
 * A fixed number of tunnels at a time: connect, upgrade, Close both ways, end of both TCP connections; then the next.
 * The backend closes first, as RFC 6455 §7.1.1 wants it, so no client port is left in TIME_WAIT.
 */
export function measureUpgrades(window: Window): Promise<WindowResult> {
  const recorder = new Recorder(window)
  const fleet = new Fleet<UpgradeOnce>()
  const dial = () => {
    const tunnel = new UpgradeOnce((error) => {
      fleet.members.delete(tunnel)
      if (error !== null) return fleet.lost(tunnel, error)
      recorder.count(tunnel.startedAt)
      if (fleet.ending) fleet.lost(tunnel, null)
      else dial()
    })
    fleet.members.add(tunnel)
    Connection.dial(tunnel, window.port)
  }
  for (let i = 0; i < window.connections; i++) dial()
  return fleet.runNow(() => recorder.measure())
}

class UpgradeOnce extends Tunnel {
  readonly startedAt = performance.now()
  readonly #done: (error: Error | null) => void
  #close: Buffer | null = null

  constructor(done: (error: Error | null) => void) {
    super()
    this.#done = done
  }

  protected override established(): void {
    this.send(clientClose)
  }

  protected override echoed(chunk: Buffer): void {
    this.#close = this.#close === null ? chunk : Buffer.concat([this.#close, chunk])
  }

  protected override closed(error: Error | null): void {
    const answered = this.#close?.equals(serverClose) === true
    this.#done(answered ? error : (error ?? new Error('a tunnel ended without the Close of the backend')))
  }
}
