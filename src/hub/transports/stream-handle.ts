import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Writes to a socket past its stream. A stream costs as much for each write as everything else that the hub does for a
 * delivery, and nothing of it is of use here: the hub has queues of its own.
 *
 * What this rests on is not documented by Node: `_handle` of a socket, and what `net` itself calls on it. Where any of
 * it does not look as expected, or may not be used (the permission model), `streamHandleOf` says null, and what is sent
 * goes through the stream. See docs/decisions/0003.
 */
export interface StreamHandle {
  /** 0, or the negative number of an error: then nothing was taken. Undefined long after its end. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number | undefined
  /** Bytes that wait for the kernel. */
  readonly writeQueueSize: number
}

/** Who is told when the kernel has taken what it did not take at once. */
export interface StreamWriter {
  /** @param status 0, or the negative number of an error */
  written(status: number): void
}

/** libuv's write request, as JavaScript sees it. It is in use only while something waits for the kernel. */
interface WriteRequest {
  oncomplete: (this: WriteRequest, status: number) => void
  writer: StreamWriter | null
  /** Kept from the garbage collector while the kernel has not taken it. */
  buffer: Uint8Array | null
}

interface StreamWrap {
  readonly WriteWrap: new () => WriteRequest
  /** What became of the last write. */
  readonly streamBaseState: Int32Array
  readonly kLastWriteWasAsync: number
}

/** EBADF. */
const noHandle = -9

const wrap = findStreamWrap()

/** For the next write: most are over at once and leave it as it was. */
let spare = wrap === null ? null : request(wrap)

/** The handle of a plain socket that can be written to, or null. Nothing may wait in the stream. */
export function streamHandleOf(stream: Duplex): StreamHandle | null {
  if (wrap === null || !(stream instanceof Socket) || stream.writableLength > 0) return null
  const { _handle: handle } = stream as unknown as { _handle?: StreamHandle | null }
  // Not those of TLS, which hand nothing to the kernel by themselves.
  const plain = handle?.constructor.name === 'TCP' || handle?.constructor.name === 'Pipe'
  if (!plain || typeof handle.writeBuffer !== 'function' || typeof handle.writeQueueSize !== 'number') {
    return null
  }
  return handle
}

/**
 * Writes bytes behind all that was written before. 0: the kernel has them. 1: some of them wait, and `written` follows.
 * Negative, the number of an error: nothing was written.
 */
export function writeTo(handle: StreamHandle, bytes: Uint8Array, writer: StreamWriter): number {
  const { streamBaseState, kLastWriteWasAsync } = wrap as StreamWrap
  const used = spare as WriteRequest
  const status = handle.writeBuffer(used, bytes) ?? noHandle
  if (status !== 0 || streamBaseState[kLastWriteWasAsync] === 0) return status
  used.writer = writer
  used.buffer = bytes
  spare = request(wrap as StreamWrap)
  return 1
}

function request({ WriteWrap }: StreamWrap): WriteRequest {
  const made = new WriteWrap()
  made.oncomplete = complete
  made.writer = null
  made.buffer = null
  return made
}

function complete(this: WriteRequest, status: number): void {
  const { writer } = this
  this.writer = null
  this.buffer = null
  writer?.written(status)
}

function findStreamWrap(): StreamWrap | null {
  const { binding } = process as unknown as { readonly binding?: (name: string) => Partial<StreamWrap> }
  // Where a warning about it would be thrown, and not from here.
  if (process.throwDeprecation) return null
  try {
    const found = binding?.('stream_wrap')
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = found ?? {}
    const expected =
      typeof WriteWrap === 'function' &&
      streamBaseState instanceof Int32Array &&
      typeof kLastWriteWasAsync === 'number'
    return expected ? { WriteWrap, streamBaseState, kLastWriteWasAsync } : null
  } catch {
    return null
  }
}
