import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** How long a file has to stay the same until it counts as written, in milliseconds. */
const calm = 250

/** After so many milliseconds of changes it is read all the same. */
const longestStorm = 2000

export type FileStamp = string | null

export interface FileWatchOptions {
  /** Milliseconds between two looks, for where nobody tells of changes. @default 2000 */
  readonly poll?: number
  /** How a file is looked at. @default `fileStamp` */
  readonly stamp?: (path: string) => Promise<FileStamp>
}

/**
 * Tells when a file has other contents than before, however they came there: written in place, replaced by another
 * file as editors do, or behind a symbolic link that points elsewhere, as a ConfigMap of Kubernetes is updated. While
 * there is no file nothing is told.
 *
 * The folder is watched, because whoever watches a file goes on watching the one that was replaced; a look now and
 * then finds what the system does not tell, such as changes on network file systems or of the target of a link.
 */
export class FileWatch {
  readonly #path: string
  readonly #changed: () => void
  readonly #stamp: (path: string) => Promise<FileStamp>
  readonly #watcher: FSWatcher | null
  readonly #poll: ReturnType<typeof setInterval>
  #known: FileStamp
  #seen: FileStamp
  #settling: ReturnType<typeof setTimeout> | null = null
  #stormSince = 0
  /** Whether a look is under way, and whether something has happened since it began. */
  #looking = false
  #missed = false
  #closed = false

  /**
   * @param known the stamp of the contents that are known already; a change since then is told too
   * @param changed is called some time after each change, once for changes that follow closely
   */
  constructor(path: string, known: FileStamp, changed: () => void, options: FileWatchOptions = {}) {
    const { poll = 2000, stamp = fileStamp } = options
    this.#path = path
    this.#stamp = stamp
    this.#known = known
    this.#seen = known
    this.#changed = changed
    this.#watcher = watchFolder(dirname(path), () => void this.#look())
    this.#poll = setInterval(() => void this.#look(), poll).unref()
    void this.#look()
  }

  close(): void {
    this.#closed = true
    this.#watcher?.close()
    clearInterval(this.#poll)
    if (this.#settling !== null) clearTimeout(this.#settling)
  }

  /** One at a time: what two of them find may come in the wrong order, and a busy folder tells of very much. */
  async #look(): Promise<void> {
    this.#missed = this.#looking
    if (this.#looking) return
    this.#looking = true
    do {
      this.#missed = false
      this.#take(await this.#stamp(this.#path))
    } while (this.#missed && !this.#closed)
    this.#looking = false
  }

  #take(stamp: FileStamp): void {
    if (this.#closed || stamp === null || stamp === this.#seen) return
    this.#seen = stamp
    const now = performance.now()
    if (this.#settling === null) this.#stormSince = now
    else if (now - this.#stormSince > longestStorm) return
    else clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.#settled(), calm).unref()
  }

  #settled(): void {
    this.#settling = null
    if (this.#seen === this.#known) return
    this.#known = this.#seen
    this.#changed()
  }
}

/** Null where folders cannot be watched, such as when the system has no watches left: then looking has to do. */
function watchFolder(folder: string, told: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, { persistent: false }, told)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}

/** What is another for other contents; null when there is no file, or a pipe, of which nothing can be read again. */
export async function fileStamp(path: string): Promise<FileStamp> {
  try {
    const found = await stat(path, { bigint: true })
    if (found.isFIFO()) return null
    const { dev, ino, size, mtimeNs, ctimeNs } = found
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch {
    return null
  }
}
