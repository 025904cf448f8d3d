import type { Socket as Stream } from 'node:net'

/**
 * The memory that all sockets on Node read into, one after the other. Node would else allocate 64 KiB for each
 * read, however little comes, and its garbage collector would be busy with little else
 * (`docs/decisions/0001-socket-port.md` has the figures). Larger than Node's reads, so that a large message
 * comes in one.
 *
 * Each stream remembers this buffer natively, so there is no way to exchange it: what lies in it is gone with the
 * next read of anybody.
 */
const readBuffer = Buffer.allocUnsafeSlow(131_072)

/** A buffer that what is written is copied to; it comes back when the write is over. */
interface CopyBuffer {
  readonly bytes: Buffer
  readonly release: () => void
}

/** Up to this size Node's own pool is the fastest place for a copy. */
const pooledSize = 2048

/** Most copy buffers that are kept. Writes end within a tick unless the peer reads slowly, so few are in use. */
const keptCopies = 8

const freeCopies: CopyBuffer[] = []

/** The `onread` option of `net.Socket` that makes it read into the shared buffer. */
export function readInto(onLentData: (stream: Stream, chunk: Uint8Array) => void) {
  return {
    buffer: readBuffer,
    callback(this: unknown, length: number): boolean {
      onLentData(this as Stream, readBuffer.subarray(0, length))
      return true
    },
  }
}

/** Whether a chunk lies in the read buffer. */
export function isLent(chunk: Uint8Array): boolean {
  return chunk.buffer === readBuffer.buffer
}

/** Writes a copy of a chunk; answers as `stream.write`. */
export function writeCopy(stream: Stream, chunk: Uint8Array): boolean {
  // What joins a queue stays there for a while: it gets a place of its own, just as large as it is.
  if (chunk.length <= pooledSize || stream.writableLength > 0) return stream.write(Buffer.from(chunk))
  const copy = freeCopies.pop() ?? makeCopyBuffer()
  copy.bytes.set(chunk)
  return stream.write(copy.bytes.subarray(0, chunk.length), copy.release)
}

function makeCopyBuffer(): CopyBuffer {
  const copy: CopyBuffer = {
    bytes: Buffer.allocUnsafeSlow(readBuffer.length),
    release: () => {
      if (freeCopies.length < keptCopies) freeCopies.push(copy)
    },
  }
  return copy
}
