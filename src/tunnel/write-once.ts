import {Socket} from 'node:net'
import type {Duplex} from 'node:stream'

/** Smaller ones cost the collector little, and may lie in memory that they share. */
const LARGE_BYTES_MIN = 32 * 1024

/**
 * Writes what was read from another socket and nobody needs afterwards. A large piece gives its memory back as soon as the kernel has it: left to the
 * garbage collector, each 64 MiB that pass make it look through the whole heap.
 * @returns as `write` does.
 */
export function writeOnce(to: Duplex, chunk: Buffer): boolean {
  const {buffer, byteOffset, byteLength} = chunk
  // A piece that goes on behind this chunk is needed still; what lies before it was written before, in this order.
  const isLast = byteOffset + byteLength === buffer.byteLength
  if (byteLength < LARGE_BYTES_MIN || !isLast || !(to instanceof Socket) || !(buffer instanceof ArrayBuffer)) return to.write(chunk)
  return to.write(chunk, () => {
    buffer.transfer(0)
  })
}
