import { acceptUpgrade, upgradeRequest } from './handshakes.ts'
import type { Message } from './message-reader.ts'
import type { Running, Stage } from './stage.ts'
import type { Wire } from './wire.ts'

/** A client that asks for a WebSocket, and its answer when that has come. */
export interface Asking {
  readonly wire: Wire
  /** The answer's head; rejects when the connection ends before. */
  readonly answer: Promise<Message>
  /** Its status as soon as that is there, 0 before. */
  status: number
}

/** Asks for a WebSocket, for this address if one is given (believed where 127.0.0.1 is a trusted proxy). */
export async function ask(stage: Stage, { port }: Running, address?: string): Promise<Asking> {
  const wire = await stage.client(port)
  wire.send(upgradeRequest(address === undefined ? {} : { 'X-Forwarded-For': address }))
  const asking: Asking = { wire, answer: wire.message(), status: 0 }
  asking.answer.then(
    ({ status }) => {
      asking.status = status
    },
    () => {},
  )
  return asking
}

/** Asks and gets one. */
export async function open(stage: Stage, running: Running, address?: string): Promise<Wire> {
  const { wire, answer } = await ask(stage, running, address)
  const { status, body } = await answer
  if (status !== 101) throw new Error(`expected 101, not ${status}: ${body}`)
  return wire
}

/** The tunnels of every backend are the seats that are counted, for each backend, each pool and the whole. */
export function seatsAreTunnels({ gateway }: Running): boolean {
  const { admission, backends, pools } = gateway
  const tunnels = new Map(backends.map(({ address, connections }) => [address, connections]))
  const sum = [...tunnels.values()].reduce((all, one) => all + one, 0)
  return (
    admission.seats === sum &&
    admission.waiting === 0 &&
    backends.every(({ seats, connections }) => seats === connections) &&
    pools.reduce((all, { seats }) => all + seats, 0) === sum
  )
}

/** Backend script: a WebSocket that stays until the other side goes. */
export async function serve(wire: Wire): Promise<void> {
  await acceptUpgrade(wire)
  await wire.ending()
  wire.close()
}
