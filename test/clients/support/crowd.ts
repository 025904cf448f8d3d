import { clientFrame, opcodes, readFrame } from '../../gateway/support/frames.ts'
import { upgradeRequest } from '../../gateway/support/handshakes.ts'
import { Wire } from '../../gateway/support/wire.ts'

/** A WebSocket client made of one socket, so that hundreds cost little. */
export class Visitor {
  readonly wire: Wire
  /** The name of the server it landed on. */
  readonly server: string

  private constructor(wire: Wire, server: string) {
    this.wire = wire
    this.server = server
  }

  /** Connects and takes the server's greeting. */
  static async to(port: number): Promise<Visitor> {
    const wire = await Wire.to(port)
    const { status, body } = await wire.send(upgradeRequest()).message()
    if (status !== 101) throw new Error(`no tunnel but ${status}: ${body}`)
    return new Visitor(wire, (await readFrame(wire)).payload.toString())
  }

  /** Whether what it says comes back. */
  async echoes(text: string): Promise<boolean> {
    this.wire.send(clientFrame(opcodes.text, text))
    return (await readFrame(this.wire)).payload.toString() === text
  }

  close(): void {
    this.wire.close()
  }
}

/** Lets so many in, some at a time. */
export async function crowd(port: number, count: number, atOnce = 50): Promise<Visitor[]> {
  const visitors: Visitor[] = []
  while (visitors.length < count) {
    const some = Math.min(atOnce, count - visitors.length)
    visitors.push(...(await Promise.all(Array.from({ length: some }, () => Visitor.to(port)))))
  }
  return visitors
}
