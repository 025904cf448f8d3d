import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Locked {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly hasInstallScript?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
}

const file = new URL('../../package-lock.json', import.meta.url)
const { packages } = JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, Locked> }

/** What is installed with the product: its dependencies and peers, and theirs. */
function installed(): Map<string, Locked> {
  const root = packages[''] as Locked
  const found = new Map<string, Locked>()
  const waiting = Object.keys({ ...root.dependencies, ...root.peerDependencies })
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const locked = packages[`node_modules/${name}`]
    if (locked === undefined || found.has(name)) continue // an optional peer that is not there
    found.set(name, locked)
    waiting.push(...Object.keys(locked.dependencies ?? {}))
  }
  return found
}

test('no dependency is compiled, or for one machine only, so a new Node needs no new build (soketi#1025)', () => {
  const all = installed()
  for (const name of ['ws', 'redis', '@nats-io/transport-node']) expect([...all.keys()]).toContain(name)
  const native = [...all].filter(([, { hasInstallScript, os, cpu }]) => hasInstallScript || os || cpu)
  expect(native.map(([name]) => name)).toEqual([])
})
