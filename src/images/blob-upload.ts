import {randomUUID} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {type FileHandle, mkdir, open, rename, rm} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {syncFolder} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {ByteMeter, type Digest} from './digest.ts'

interface UploadOptions {
  readonly path: string
  readonly bytesMax: number
  /** Where the blob goes once its name is known to be right. */
  readonly target: (digest: Digest) => string
}

/**
 * Bytes on their way into a blob store. They are hashed as they come and take their name only when the digest is what was promised. Bytes
 * of an `append` that was cut stay and count: the sender goes on at `offset`.
 */
export class BlobUpload {
  /** Unguessable; names the upload on the wire. */
  readonly id: string
  readonly #options: UploadOptions
  readonly #file: FileHandle
  readonly #meter: ByteMeter
  #appending = false
  #ended = false
  /** A commit that failed has closed the file and left its bytes. */
  #isLeft = false

  private constructor(id: string, options: UploadOptions, file: FileHandle, meter: ByteMeter) {
    this.id = id
    this.#options = options
    this.#file = file
    this.#meter = meter
  }

  static async begin(options: Omit<UploadOptions, 'path'> & {readonly directory: string}): Promise<BlobUpload> {
    const id = randomUUID()
    const path = join(options.directory, id)
    return new BlobUpload(id, {...options, path}, await open(path, 'wx', 0o600), new ByteMeter())
  }

  /** Opens what an earlier process left at `path`, or begins it, and reads it once to hash it again. */
  static async resume(options: UploadOptions & {readonly signal: AbortSignal}): Promise<BlobUpload> {
    const meter = new ByteMeter()
    const file = await open(options.path, 'a', 0o600)
    try {
      for await (const chunk of createReadStream(options.path, {signal: options.signal, highWaterMark: 2 ** 18})) meter.update(chunk)
      if (meter.bytes <= options.bytesMax) return new BlobUpload(randomUUID(), options, file, meter)
      await file.truncate(0)
      return new BlobUpload(randomUUID(), options, file, new ByteMeter())
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Bytes received so far. */
  get offset(): number {
    return this.#meter.bytes
  }

  /** What the bytes received so far would be called. */
  digest(): Digest {
    return this.#meter.digest()
  }

  /** @throws {CreoError} `payload_too_large` above the limit, `conflict` while another append runs or after the end. */
  async append(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    if (this.#appending || this.#ended) throw new CreoError('conflict', 'This upload is being written or has ended.')
    this.#appending = true
    try {
      for await (const chunk of source) {
        signal.throwIfAborted()
        if (this.offset + chunk.byteLength > this.#options.bytesMax) {
          throw new CreoError('payload_too_large', `A blob here has at most ${this.#options.bytesMax} bytes.`)
        }
        await this.#writeWhole(chunk)
        this.#meter.update(chunk)
      }
    } finally {
      this.#appending = false
    }
  }

  /**
   * Makes the blob visible, on stable storage. Committing bytes that are stored already changes nothing.
   * @throws {CreoError} `digest_mismatch` when the bytes have another digest; they are thrown away.
   */
  async commit(digest: Digest): Promise<{readonly digest: Digest; readonly size: number}> {
    if (this.#appending || this.#ended) throw new CreoError('conflict', 'This upload is being written or has ended.')
    const actual = this.#meter.digest()
    if (actual !== digest) {
      await this.abort()
      throw new CreoError('digest_mismatch', `The bytes have the digest ${actual}, not ${digest}.`, {hint: 'Send the blob again.'})
    }
    const target = this.#options.target(digest)
    this.#ended = true
    this.#isLeft = true
    try {
      await this.#file.sync()
      await this.#file.chmod(0o644)
      const made = await mkdir(dirname(target), {recursive: true})
      if (made !== undefined) await syncFolder(dirname(made))
      await rename(this.#options.path, target)
      this.#isLeft = false
      await syncFolder(dirname(target))
    } finally {
      await this.#file.close()
    }
    return {digest, size: this.#meter.bytes}
  }

  /** Closes the file and leaves its bytes for a later `resume`. */
  async suspend(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#file.close()
  }

  /** Throws the bytes away, also those of a commit that failed. */
  async abort(): Promise<void> {
    if (this.#ended && !this.#isLeft) return
    await this.suspend()
    this.#isLeft = false
    await rm(this.#options.path, {force: true})
  }

  /** The meter counts a chunk only when every byte of it is written, so that `offset` never promises more than there is. */
  async #writeWhole(chunk: Uint8Array): Promise<void> {
    let written = 0
    try {
      while (written < chunk.byteLength) {
        written += (await this.#file.write(chunk, written, chunk.byteLength - written, this.offset + written)).bytesWritten
      }
    } catch (cause) {
      await this.#file.truncate(this.offset)
      throw new CreoError('data_dir_unwritable', 'An image could not be written to disk.', {hint: 'Free some disk space.', cause})
    }
  }
}
