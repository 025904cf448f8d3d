import { readFile, stat } from 'node:fs/promises'
import type { DiscoveredBackend, DiscoverySink, DiscoverySource } from '../../gateway/discovery.ts'
import { FileWatch, fileStamp } from './file-watch.ts'

/** The longest list is not this large, a wrong path easily is; and while it is parsed nothing else is done. */
const mostBytes = 2 * 1024 * 1024

/**
 * A list of backends in a file, which is read again when it changes. A file that is missing or has mistakes says
 * nothing; one that holds an empty list says that there is nobody.
 */
export class FileSource implements DiscoverySource {
  readonly #path: string
  readonly #parse: (text: string) => readonly DiscoveredBackend[]
  #sink: DiscoverySink | null = null
  #watch: FileWatch | null = null

  /** @param parse throws an error whose message names the mistakes and their places */
  constructor(path: string, parse: (text: string) => readonly DiscoveredBackend[]) {
    this.#path = path
    this.#parse = parse
  }

  start(sink: DiscoverySink): void {
    this.#sink = sink
    void this.#begin()
  }

  stop(): void {
    this.#sink = null
    this.#watch?.close()
    this.#watch = null
  }

  async #begin(): Promise<void> {
    // Before it is read, so that no change comes in between.
    const stamp = await fileStamp(this.#path)
    if (this.#sink === null) return
    this.#watch = new FileWatch(this.#path, stamp, () => void this.#read())
    await this.#read()
  }

  async #read(): Promise<void> {
    const result = await this.#load()
    if (typeof result === 'string') this.#sink?.failed(result)
    else this.#sink?.found(result)
  }

  async #load(): Promise<readonly DiscoveredBackend[] | string> {
    try {
      const found = await stat(this.#path)
      // A pipe would keep whoever opens it waiting, a device gives without end.
      if (!found.isFile()) return `${this.#path}: found no regular file, expected a list of backends`
      if (found.size > mostBytes) return `${this.#path}: found more than 2 MiB, expected a list of backends`
      const bytes = await readFile(this.#path)
      return this.#parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return `${this.#path}: no such file`
      return error instanceof TypeError ? `${this.#path}: found bytes that are not UTF-8 text` : message
    }
  }
}
