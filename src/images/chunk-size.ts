/** What a cut connection loses at most on a slow line, and with what each push begins. */
export const CHUNK_BYTES_FIRST = 512 * 1024
export const CHUNK_BYTES_MIN = 128 * 1024
/** Bytes held in memory while a blob is sent. */
export const CHUNK_BYTES_MAX = 4 * 2 ** 20
/** A chunk that is answered sooner costs a fast line round trips; one that takes longer is not known to be alive. */
const FAST_MS = 2000
const SLOW_MS = 8000

/** The size of the next chunk, by how long the last one took. */
export function nextChunkBytes(bytes: number, tookMs: number): number {
  if (tookMs < FAST_MS) return Math.min(bytes * 2, CHUNK_BYTES_MAX)
  if (tookMs > SLOW_MS) return Math.max(bytes / 2, CHUNK_BYTES_MIN)
  return bytes
}
