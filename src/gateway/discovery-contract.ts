import { afterEach, describe, expect, test } from 'vitest'
import type { DiscoveredBackend, DiscoverySource } from './discovery.ts'

/** One source, and the thing that it looks at. */
export interface DiscoveryFixture {
  readonly source: DiscoverySource
  /** Makes this the truth. */
  publish(backends: readonly DiscoveredBackend[]): unknown
  /** Makes the truth impossible to find out, until `publish`. */
  spoil(): unknown
  /** Ends everything but the source. */
  close(): unknown
}

type Told = readonly DiscoveredBackend[] | string

const byAddress = (a: DiscoveredBackend, b: DiscoveredBackend) => (a.address < b.address ? -1 : 1)
const list = (...ends: readonly number[]): DiscoveredBackend[] =>
  ends.map((end) => ({ address: `127.0.0.${end}:4000`, weight: 1 }))

/** What is told, to be awaited. */
class Ears {
  readonly told: Told[] = []
  #wake: () => void = () => {}

  found(backends: readonly DiscoveredBackend[]): void {
    this.#add([...backends].sort(byAddress))
  }

  failed(reason: string): void {
    this.#add(reason)
  }

  /** Waits until something was told of which this holds, from `from` on. */
  async hear(holds: (told: Told) => boolean, from = 0): Promise<Told> {
    for (;;) {
      const heard = this.told.slice(from).find(holds)
      if (heard !== undefined) return heard
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async hears(backends: readonly DiscoveredBackend[], from = 0): Promise<void> {
    const wanted = JSON.stringify(backends)
    await this.hear((told) => JSON.stringify(told) === wanted, from)
  }

  #add(told: Told): void {
    this.told.push(told)
    this.#wake()
  }
}

/** Holds a source to the sentences of `discovery.ts`. */
export function discoveryContract(name: string, open: () => Promise<DiscoveryFixture>): void {
  describe(`${name} as a source of backends`, () => {
    const opened: DiscoveryFixture[] = []
    afterEach(async () => {
      for (const fixture of opened.splice(0)) {
        fixture.source.stop()
        await fixture.close()
      }
    })

    async function listening() {
      const fixture = await open()
      opened.push(fixture)
      const ears = new Ears()
      await fixture.publish(list(1, 2))
      const start = () => fixture.source.start(ears)
      return { ...fixture, ears, start }
    }

    test('tells all there is, and not before start returns', async () => {
      const { ears, start } = await listening()
      start()
      expect(ears.told).toEqual([])
      await ears.hears(list(1, 2))
    })

    test('tells each change as the whole new list', async () => {
      const { ears, start, publish } = await listening()
      start()
      await ears.hears(list(1, 2))
      for (const next of [list(1, 2, 3), list(3), list(2, 4)]) {
        const from = ears.told.length
        await publish(next)
        await ears.hears(next, from)
      }
    })

    test('says that it cannot find out, never that there is nobody, and goes on trying', async () => {
      const { ears, start, publish, spoil } = await listening()
      start()
      await ears.hears(list(1, 2))
      await spoil()
      const reason = await ears.hear((told) => typeof told === 'string')
      expect(reason).not.toBe('')
      expect(ears.told).not.toContainEqual([])
      const from = ears.told.length
      await publish(list(5))
      await ears.hears(list(5), from)
    })

    test('that cannot find out from the start says so, and tells when it can', async () => {
      const { ears, start, publish, spoil } = await listening()
      await spoil()
      start()
      await ears.hear((told) => typeof told === 'string')
      await publish(list(6))
      await ears.hears(list(6))
    })

    test('tells nothing after stop, which may come twice, and without start', async () => {
      const { ears, start, source, publish } = await listening()
      start()
      await ears.hears(list(1, 2))
      source.stop()
      const before = ears.told.length
      await publish(list(7))
      // Longer than any of them takes to notice.
      await new Promise((resolve) => setTimeout(resolve, 1500))
      expect(ears.told).toHaveLength(before)
      source.stop()
      const never = await open()
      opened.push(never)
      never.source.stop()
    })
  })
}
