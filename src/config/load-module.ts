import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FairleadError } from '../core/errors.ts'
import { cannotRead } from './read-text.ts'

/** The default export of a `.ts` or `.js` config; what it throws is told with the place in the file. */
export async function loadModule(file: string): Promise<unknown> {
  const path = resolve(file)
  await access(path).catch((cause: unknown) => {
    throw cannotRead(file, cause)
  })
  const module = await import(pathToFileURL(path).href).catch((cause: unknown) => {
    throw invalid(`${file}${position(cause, path)}: ${explain(cause)}`, cause)
  })
  if (module.default !== undefined) return module.default
  throw invalid(`${file}: found no default export, expected 'export default defineConfig({ ... })'`)
}

function invalid(message: string, cause?: unknown): FairleadError {
  return new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false, cause })
}

function explain(cause: unknown): string {
  const error = firstOf(cause)
  const message = error instanceof Error || isMessage(error) ? error.message : String(error)
  const code = (error as { code?: unknown } | null)?.code
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
    return `Node ${process.versions.node} cannot read TypeScript; use Node 22.18 or newer, Bun, a .mjs file or YAML`
  }
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') return `${oneLine(message)} (Node erases types only)`
  if (/Cannot find (package|module) ['"]fairlead['"]/.test(message)) {
    return "cannot find the package 'fairlead' from here: install it there, or export a plain object without importing it"
  }
  if (/import statement outside a module|Unexpected token 'export'/.test(message)) {
    return 'the package.json of this folder makes it CommonJS: name the file .mts or .mjs, or set "type": "module"'
  }
  return oneLine(message)
}

/** Bun reports several syntax errors together. */
function firstOf(cause: unknown): unknown {
  const errors = (cause as { errors?: unknown } | null)?.errors
  return Array.isArray(errors) && errors.length > 0 ? errors[0] : cause
}

function isMessage(error: unknown): error is { message: string } {
  return typeof (error as { message?: unknown } | null)?.message === 'string'
}

function oneLine(message: string): string {
  return message.split('\n', 1)[0] as string
}

/** `:line:column` within the file; empty when the error does not say, or is about another file. */
function position(cause: unknown, path: string): string {
  const error = firstOf(cause)
  const told = (error as { position?: { line?: number; column?: number; file?: string } } | null)?.position
  if (told?.line !== undefined && (told.file === undefined || told.file === path)) {
    return `:${told.line}:${told.column ?? 1}`
  }
  const stack = (error as { stack?: unknown } | null)?.stack
  if (typeof stack !== 'string') return ''
  for (const name of [pathToFileURL(path).href, path]) {
    const start = stack.indexOf(`${name}:`)
    const place = start === -1 ? undefined : /^:\d+(:\d+)?/.exec(stack.slice(start + name.length))
    if (place === null || place === undefined) continue
    // Node underlines a mistake in TypeScript syntax instead of counting columns.
    const underline = place[1] === undefined ? /^( *)\^+$/m.exec(stack)?.[1] : undefined
    return underline === undefined ? place[0] : `${place[0]}:${underline.length + 1}`
  }
  return ''
}
