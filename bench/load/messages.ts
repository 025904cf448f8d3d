import type { Window, WindowResult } from '../job.ts'
import { Connection } from './connection.ts'
import { type EchoObserver, EchoTunnel, exchangeOf } from './echoes.ts'
import { Fleet } from './fleet.ts'
import { Recorder } from './recorder.ts'

/** Each tunnel sends the next message as soon as the last one is back. */
export function measureMessages(window: Window): Promise<WindowResult> {
  return measure(window, (recorder, fleet) => ({
    start(tunnels) {
      for (const tunnel of tunnels) tunnel.sendMessage(performance.now())
    },
    answered(tunnel) {
      recorder.count(tunnel.sentAt)
      if (!fleet.ending) tunnel.sendMessage(performance.now())
    },
  }))
}

/**
 * Each tunnel sends one message per interval, the tunnels spread evenly over it. A message whose predecessor is not
 * back yet goes out late but counts from when it was due, so that a stall is not hidden by the load it held back.
 */
export function measurePaced(window: Window, intervalMs: number): Promise<WindowResult> {
  return measure(window, (recorder, fleet) => {
    const idle = new Set<EchoTunnel>()
    const dueAt = new Map<EchoTunnel, number>()
    const send = (tunnel: EchoTunnel, now: number) => {
      const due = dueAt.get(tunnel)!
      if (due > now) return
      dueAt.set(tunnel, due + intervalMs)
      // The timer's own lateness, up to a tick, is not the proxy's; a whole interval is.
      tunnel.sendMessage(now - due < intervalMs ? now : due)
      idle.delete(tunnel)
    }
    return {
      start(tunnels) {
        const now = performance.now()
        for (const [i, tunnel] of tunnels.entries()) {
          dueAt.set(tunnel, now + (i * intervalMs) / tunnels.length)
          idle.add(tunnel)
        }
        const ticker = setInterval(() => {
          if (fleet.ending) return clearInterval(ticker)
          const tick = performance.now()
          for (const tunnel of [...idle]) send(tunnel, tick)
        }, 1)
      },
      answered(tunnel) {
        recorder.count(tunnel.sentAt)
        idle.add(tunnel)
      },
    }
  })
}

interface Drive {
  start(tunnels: EchoTunnel[]): void
  answered(tunnel: EchoTunnel): void
}

async function measure(
  window: Window,
  driveWith: (recorder: Recorder, fleet: Fleet<EchoTunnel>) => Drive,
): Promise<WindowResult> {
  const recorder = new Recorder(window)
  const fleet = new Fleet<EchoTunnel>()
  const drive = driveWith(recorder, fleet)
  const observer: EchoObserver = {
    ready: () => fleet.ready(),
    answered: drive.answered,
    lost: (tunnel, error) => fleet.lost(tunnel, error),
  }
  const exchange = exchangeOf(window.payload)
  for (let i = 0; i < window.connections; i++) {
    fleet.dial(new EchoTunnel(exchange, observer), window.port, Connection.dial)
  }
  return fleet.run(() => {
    drive.start([...fleet.members])
    return recorder.measure()
  })
}
