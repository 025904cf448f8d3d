import { unavailable } from '../cluster-error.ts'

/** Bytes; more than that, and the broker is as good as away. */
const most = 64 * 1024 * 1024
/** What a request takes beside its payload. */
const overhead = 512

/** What a connection has sent and has no answer to yet. */
export class UnderWay {
  readonly #name: string
  #bytes = 0

  /** @param name of the technology */
  constructor(name: string) {
    this.#name = name
  }

  /**
   * @returns what it takes, for `leave`
   * @throws FairleadError CLUSTER_UNAVAILABLE when it is too much
   */
  enter(size: number): number {
    const taken = size + overhead
    if (this.#bytes + taken > most) throw unavailable(`too much is under way to ${this.#name}`)
    this.#bytes += taken
    return taken
  }

  leave(taken: number): void {
    this.#bytes -= taken
  }
}
