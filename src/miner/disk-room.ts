import {CreoError} from '../core/errors.ts'
import {formatBytes} from '../core/units.ts'

/** A file takes at least a block, whatever its size. */
const BLOCK_BYTES = 4096
/** Manifests are fetched before it is known whether the image has room; they and the node's own files have this much. */
const DOCUMENTS_BYTES = 2 ** 20

/** What an unpacked image takes of a disk, at the most. */
export function unpackedBytes(image: {readonly decompressedBytes: number; readonly files: number}): number {
  return image.decompressedBytes + image.files * BLOCK_BYTES
}

/** Keeps what images take, as fetched and as unpacked for the runtime, to what the owner lends of the disk. */
export class DiskRoom {
  readonly #bytesMax: () => number
  readonly #unpacked = new Map<string, number>()
  #fetchedBytes = 0
  #reservedBytes = 0
  #isShort = false

  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax
  }

  /** What images may take in all. */
  get bytesMax(): number {
    return Math.max(0, this.#bytesMax() - DOCUMENTS_BYTES)
  }

  get usedBytes(): number {
    return this.#fetchedBytes + this.#reservedBytes + this.unpackedBytes
  }

  get unpackedBytes(): number {
    return [...this.#unpacked.values()].reduce((sum, bytes) => sum + bytes, 0)
  }

  /** What fetched images may take; nothing that can be done without stays when an image was refused last. */
  get fetchedBytesMax(): number {
    return this.#isShort ? 0 : Math.max(0, this.bytesMax - this.unpackedBytes)
  }

  /** What the store holds, counted anew. */
  fetched(bytes: number): void {
    this.#fetchedBytes = bytes
  }

  /**
   * Sets room aside for what is about to be fetched, and answers how to give it back once the store is counted anew.
   * @throws {CreoError} `overloaded` when the owner lends too little.
   */
  reserve(bytes: number): () => void {
    this.#assertRoom(bytes)
    this.#reservedBytes += bytes
    return () => {
      this.#reservedBytes -= bytes
    }
  }

  /** Counts an image that is about to be unpacked. @throws {CreoError} `overloaded` when the owner lends too little. */
  unpack(image: string, bytes: number): void {
    this.#assertRoom(bytes - (this.#unpacked.get(image) ?? 0))
    this.#unpacked.set(image, bytes)
  }

  /** An image that lies there unpacked since an earlier process. */
  found(image: string, bytes: number): void {
    this.#unpacked.set(image, bytes)
  }

  forget(image: string): void {
    this.#unpacked.delete(image)
  }

  unpackedBytesOf(image: string): number {
    return this.#unpacked.get(image) ?? 0
  }

  #assertRoom(bytes: number): void {
    const max = this.bytesMax
    this.#isShort = this.usedBytes + bytes > max
    if (!this.#isShort) return
    throw new CreoError(
      'overloaded',
      `An image needs ${formatBytes(bytes)} more of the disk; ${formatBytes(this.usedBytes)} of ${formatBytes(max)} are used.`,
      {
        hint: 'The owner of the node can lend more with --disk.'
      }
    )
  }
}
