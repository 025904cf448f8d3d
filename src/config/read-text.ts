import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { FairleadError } from '../core/errors.ts'

/** No config is this large; a wrong path (a log, a device) easily is. */
const mostBytes = 1024 * 1024

/** Reads a config file of at most 1 MiB of UTF-8, also from a pipe (`-c <(generate)`). */
export async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of createReadStream(path, { end: mostBytes })) {
      chunks.push(chunk)
      length += chunk.length
    }
  } catch (cause) {
    throw cannotRead(path, cause)
  }
  if (length > mostBytes) throw invalid(`${path}: found more than 1 MiB, expected a config file`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw invalid(`${path}: found bytes that are not UTF-8 text`, cause)
  }
}

/**
 * The same for a file that was read before: a pipe has given what it had, and would keep whoever reads it waiting, and
 * with it every reload after this one.
 */
export async function readTextAgain(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw cannotRead(path, cause)
  })
  if (found.isFIFO() || found.isCharacterDevice() || found.isSocket()) {
    throw invalid(
      `${path}: found a pipe or a device, which is read once at the start; use a file to reload it`,
    )
  }
  return readText(path)
}

/** Says why a file cannot be read. */
export function cannotRead(path: string, cause: unknown): FairleadError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error'
  const reason = reasons[code] ?? `cannot be read (${code})`
  return new FairleadError('CONFIG_NOT_FOUND', `${path}: ${reason}`, {
    source: 'config',
    retryable: false,
    cause,
  })
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'cannot be read: permission denied',
  EISDIR: 'is a directory, expected a file',
}

function invalid(message: string, cause?: unknown): FairleadError {
  return new FairleadError('CONFIG_INVALID', message, { source: 'config', retryable: false, cause })
}
