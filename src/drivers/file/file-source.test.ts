import { execFileSync } from 'node:child_process'
import { mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { discoveryContract } from '../../gateway/discovery-contract.ts'
import { FileSource } from './file-source.ts'

for (const how of ['written in place', 'replaced']) {
  discoveryContract(`a file that is ${how}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-'))
    const path = join(folder, 'backends.json')
    const write = async (text: string) => {
      const other = join(folder, 'other')
      await writeFile(how === 'replaced' ? other : path, text)
      if (how === 'replaced') await rename(other, path)
    }
    return {
      source: new FileSource(path, JSON.parse),
      publish: (backends) => write(JSON.stringify(backends)),
      spoil: () => write('['),
      close: () => rm(folder, { recursive: true }),
    }
  })
}

let folder = ''
afterEach(() => rm(folder, { recursive: true, force: true }))

/** What is told first of a file. */
async function told(name: string, prepare: (path: string) => unknown): Promise<unknown> {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-'))
  const path = join(folder, name)
  await prepare(path)
  const source = new FileSource(path, JSON.parse)
  try {
    return await new Promise((resolve) => source.start({ found: resolve, failed: resolve }))
  } finally {
    source.stop()
  }
}

test('a pipe is told, and does not keep anybody waiting who opens it', async () => {
  expect(await told('pipe', (path) => execFileSync('mkfifo', [path]))).toContain('found no regular file')
})

test('a file that is far too large for a list is told and not read', async () => {
  const large = async (path: string) => {
    await writeFile(path, '')
    await truncate(path, 2 ** 40)
  }
  expect(await told('large', large)).toContain('found more than 2 MiB')
})
