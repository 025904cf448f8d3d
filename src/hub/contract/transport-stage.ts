import { afterEach, expect } from 'vitest'
import { RawClient } from './raw-client.ts'
import { type RecordingOwner, type StartTransport, TransportRig } from './transport-rig.ts'

/** Servers and clients of the tests of one `describe`; after each test they end, and nothing was told too early. */
export class TransportStage {
  readonly clients: RawClient[] = []
  readonly #rigs: TransportRig[] = []
  readonly #start: StartTransport

  constructor(start: StartTransport) {
    this.#start = start
    afterEach(() => this.#clear())
  }

  readonly startRig = async (options?: Parameters<typeof TransportRig.start>[1]): Promise<TransportRig> => {
    const rig = await TransportRig.start(this.#start, options)
    this.#rigs.push(rig)
    return rig
  }

  /** A client that is in, and its owner. */
  readonly open = async (
    rig: TransportRig,
    options: Partial<Parameters<typeof RawClient.open>[0]> = {},
  ): Promise<{ readonly client: RawClient; readonly owner: RecordingOwner }> => {
    const client = await RawClient.open({ port: rig.port, ...options })
    this.clients.push(client)
    await rig.last.untilTold('opened')
    return { client, owner: rig.last }
  }

  async #clear(): Promise<void> {
    for (const client of this.clients.splice(0)) client.destroy()
    for (const rig of this.#rigs.splice(0)) {
      for (const { told } of rig.owners) expect(told.filter((line) => line.startsWith('INSIDE'))).toEqual([])
      await rig.close()
    }
  }
}
