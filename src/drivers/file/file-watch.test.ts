import { execFileSync } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdir, mkdtemp, open, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../../../test/gateway/support/eventually.ts'
import { FileWatch, fileStamp } from './file-watch.ts'

let folder: string
let watch: FileWatch | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-'))
})
afterEach(async () => {
  watch?.close()
  await rm(folder, { recursive: true })
})

/** Watches a file; the function that is returned resolves at the next change that is told. */
async function watching(path: string, poll?: number) {
  let tell = () => {}
  let count = 0
  const changed = () => {
    count++
    tell()
  }
  watch = new FileWatch(path, await fileStamp(path), changed, poll === undefined ? {} : { poll })
  const next = () =>
    new Promise<void>((resolve) => {
      tell = resolve
    })
  return { next, told: () => count }
}

test('a change behind a link to another folder, of which nobody tells, is found by looking', async () => {
  await mkdir(join(folder, 'elsewhere'))
  await mkdir(join(folder, 'here'))
  const target = join(folder, 'elsewhere', 'file')
  await writeFile(target, 'one')
  const link = join(folder, 'here', 'link')
  await symlink(target, link)
  const { next } = await watching(link, 50)
  const changed = next()
  await writeFile(target, 'two')
  await changed
})

test('a file that is written piece by piece is told once', async () => {
  const path = join(folder, 'file')
  await writeFile(path, '')
  const { next, told } = await watching(path)
  const changed = next()
  for (let piece = 0; piece < 10; piece++) await writeFile(path, 'x'.repeat(piece + 1))
  await changed
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(told()).toBe(1)
})

test('a change between the reading of a file and the start of its watch is told', async () => {
  const path = join(folder, 'file')
  await writeFile(path, 'one')
  const known = await fileStamp(path)
  await writeFile(path, 'three')
  await new Promise<void>((resolve) => {
    watch = new FileWatch(path, known, resolve)
  })
})

test('a file that goes and comes back with other contents is told once it is back', async () => {
  const path = join(folder, 'file')
  await writeFile(path, 'one')
  const { next, told } = await watching(path)
  await rename(path, join(folder, 'away'))
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(told()).toBe(0)
  const changed = next()
  await writeFile(path, 'two')
  await utimes(path, 1, 1)
  await changed
})

test('what a slow look has found does not count after what a later one found', async () => {
  const path = join(folder, 'file')
  await writeFile(path, 'one')
  let told = 0
  const slow: (() => void)[] = []
  const stamp = async (file: string) => {
    const found = await fileStamp(file)
    // The look that finds the file cut short takes its time.
    if (file === path && found?.split(':')[2] === '0')
      await new Promise<void>((resolve) => slow.push(resolve))
    return found
  }
  const known = await fileStamp(path)
  watch = new FileWatch(path, known, () => told++, { stamp })
  await writeFile(path, '')
  expect(await eventually(() => slow.length > 0)).toBe(true)
  await writeFile(path, 'two')
  await new Promise((resolve) => setTimeout(resolve, 500))
  for (const resolve of slow) resolve()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  expect(told).toBe(1)
  // A busy folder tells of far more than there is to see.
  expect(slow).toHaveLength(1)
})

test('what is written into a pipe is no change', async () => {
  const path = join(folder, 'pipe')
  execFileSync('mkfifo', [path])
  const { told } = await watching(path, 50)
  const reader = await open(path, constants.O_RDWR)
  await reader.write('one')
  await new Promise((resolve) => setTimeout(resolve, 600))
  await reader.close()
  expect(told()).toBe(0)
})
