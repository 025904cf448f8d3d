import { existsSync, realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the package. */
export const packageFolder = fileURLToPath(new URL('..', import.meta.url))

/** The binary of a development dependency of this package, or else of the machine. The real file, not a wrapper. */
export function findRuntime(name: 'node' | 'bun'): string | null {
  const own = join(packageFolder, 'node_modules/.bin', name)
  return existsSync(own) ? realpathSync(own) : findProgram(name)
}

/** A program on the PATH or where Debian puts servers, or null. */
export function findProgram(name: string): string | null {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/local/bin',
  ]
  for (const folder of folders) {
    const path = join(folder, name)
    if (folder !== '' && existsSync(path)) return path
  }
  return null
}
