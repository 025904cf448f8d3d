import type { GatewayOptions } from '../../../src/gateway/options.ts'
import { acceptUpgradeSaying } from './handshakes.ts'
import type { LogLine, LogLines } from './log-lines.ts'
import type { Running, Stage } from './stage.ts'
import type { Wire } from './wire.ts'

type PoolOptions = GatewayOptions['pools'][string]

/** Probes often enough for a test; every other figure is the default's. */
export const often = { interval: '60ms', timeout: '300ms', rise: 2, fall: 2 } as const

/** A gateway with one pool and these health options. */
export function watched(
  stage: Stage,
  backends: readonly { readonly address: string }[],
  pool: Omit<PoolOptions, 'backends'>,
  options: Partial<GatewayOptions> = {},
): Promise<Running> {
  const addresses = backends.map(({ address }) => address)
  return stage.gateway({
    pools: { main: { policy: 'round-robin', backends: addresses, ...pool } },
    ...options,
  })
}

/** What a gateway says about one of its backends. */
export function statusOf({ gateway }: Running, { address }: { readonly address: string }) {
  const status = gateway.backends.find((backend) => backend.address === address)
  if (status === undefined) throw new Error(`there is no backend ${address}`)
  return status
}

/** The first line of an event that is about this backend, once it is there; of a level, if one is given. */
export async function lineAbout(
  log: LogLines,
  event: string,
  { address }: { readonly address: string },
  level?: string,
): Promise<LogLine> {
  for (let index = 0; ; index++) {
    const line = await log.line(event, index)
    if (line.backend === address && (level === undefined || line.level === level)) return line
  }
}

/** Upgrades, answers the ping of a probe, then its Close, then ends. */
export function servePing(wire: Wire): Promise<void> {
  return servePingSaying(wire, {})
}

/** The same, with these fields in the 101. */
export async function servePingSaying(wire: Wire, lines: Readonly<Record<string, string>>): Promise<void> {
  await acceptUpgradeSaying(wire, lines)
  const ping = await wire.bytes(6 + 8)
  wire.send(Uint8Array.of(0x8a, 8, ...unmasked(ping)))
  await wire.bytes(6 + 2)
  wire.send(Uint8Array.of(0x88, 2, 0x03, 0xe8))
  wire.end()
}

function unmasked(frame: Buffer): number[] {
  const key = frame.subarray(2, 6)
  return [...frame.subarray(6)].map((byte, index) => byte ^ (key[index & 3] as number))
}
