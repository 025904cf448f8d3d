import { Connection } from './connection.ts'
import { type EchoObserver, EchoTunnel, exchangeOf } from './echoes.ts'
import { Fleet } from './fleet.ts'

const openingAtOnce = 64

/** Holds idle tunnels open. Each has carried one 64-byte message each way before it is left alone. */
export class IdleTunnels {
  #fleet = new Fleet<EchoTunnel>()

  /** Resolves when all of them are open and idle. */
  async open(port: number, count: number): Promise<void> {
    const fleet = new Fleet<EchoTunnel>()
    this.#fleet = fleet
    const exchange = exchangeOf(64)
    let left = count
    const dial = () => {
      left--
      fleet.dial(new EchoTunnel(exchange, observer), port, Connection.dial)
    }
    const observer: EchoObserver = {
      ready: (tunnel) => tunnel.sendMessage(0),
      answered() {
        if (left > 0) dial()
        fleet.ready()
      },
      lost: (tunnel, error) => fleet.lost(tunnel, error),
    }
    for (let i = 0; i < Math.min(openingAtOnce, count); i++) dial()
    await fleet.whenReady()
  }

  /** Rejects when one of them was lost meanwhile. */
  async close(): Promise<void> {
    const lost = this.#fleet.unlessFailed(Promise.resolve())
    await this.#fleet.endAll()
    await lost
  }
}
