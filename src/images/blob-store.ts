import {createReadStream} from 'node:fs'
import {mkdir, readdir, readFile, rm, stat, utimes} from 'node:fs/promises'
import {join} from 'node:path'
import type {Readable} from 'node:stream'
import {CreoError} from '../core/errors.ts'
import {BlobUpload} from './blob-upload.ts'
import {type Digest, digestHex, digestOf} from './digest.ts'

export const BLOB_BYTES_MAX = 4 * 2 ** 30
const HEX = /^[0-9a-f]{64}$/

export interface StoredBlob {
  readonly digest: Digest
  readonly size: number
  readonly storedAtMs: number
}

/**
 * Blobs on disk, named by their content: `blobs/sha256/ab/<hex>`. A blob is visible only when it is whole, its digest is right and it is on
 * stable storage. One process at a time owns a store's directory.
 */
export interface BlobStore {
  readonly directory: string
  stat(digest: Digest): Promise<{readonly size: number; readonly usedAtMs: number} | undefined>
  /** Like `stat`, and says that somebody counts on the blob as of now: who collects what is not used leaves it for a while. */
  touch(digest: Digest, nowMs: number): Promise<{readonly size: number} | undefined>
  /** Where the blob lies, whether it is there or not. The file is never changed once it is there: it may be hard-linked. */
  path(digest: Digest): string
  /** Bytes `start` to `end`, both included, or all. @throws {CreoError} `not_found`. */
  open(digest: Digest, range?: {readonly start: number; readonly end: number}): Promise<Readable>
  /** A small blob, whole. @throws {CreoError} `not_found`; `payload_too_large` above `bytesMax`; `digest_mismatch` if the disk lies. */
  read(digest: Digest, bytesMax: number): Promise<Buffer>
  /** Stores bytes that are in memory already. */
  write(bytes: Buffer): Promise<{readonly digest: Digest; readonly size: number}>
  /**
   * Makes an upload visible under this name, counted on as of now. Bytes that are here already stay as they are: a file that took their place would be
   * as old as its last byte. @throws {CreoError} what `BlobUpload.commit` says.
   */
  commit(upload: BlobUpload, digest: Digest, nowMs: number): Promise<'stored' | 'already_stored'>
  /** A new upload of yet unknown name; what is not committed is gone after a restart. */
  upload(options?: {readonly bytesMax?: number}): Promise<BlobUpload>
  /** The upload of a known blob, which goes on where an earlier process stopped. */
  resume(digest: Digest, options: {readonly bytesMax: number; readonly signal: AbortSignal}): Promise<BlobUpload>
  /** Runs `work` when no other work on this digest runs: two pulls of one blob become one. */
  exclusively<T>(digest: Digest, work: () => Promise<T>): Promise<T>
  delete(digest: Digest): Promise<'deleted' | 'already_deleted'>
  /** Deletes the blob unless somebody has counted on it at or after this time; nobody can in between. */
  deleteUnused(digest: Digest, sinceMs: number): Promise<'deleted' | 'already_deleted' | 'used'>
  list(): Promise<readonly StoredBlob[]>
  /** Deletes the oldest blobs, and all partial ones, until at most `bytesMax` are left. What is in `keep` stays. */
  prune(options: {readonly bytesMax: number; readonly keep: ReadonlySet<Digest>}): Promise<{readonly deletedBytes: number}>
}

/**
 * Opens a store and clears away uploads that an earlier process did not finish.
 * @throws {CreoError} `data_dir_unwritable` when the directory cannot be made or written.
 */
export async function openBlobStore(directory: string): Promise<BlobStore> {
  try {
    await rm(join(directory, 'uploads'), {recursive: true, force: true})
    for (const part of ['blobs/sha256', 'uploads', 'partial']) await mkdir(join(directory, part), {recursive: true})
  } catch (cause) {
    throw new CreoError('data_dir_unwritable', `Images cannot be stored in "${directory}".`, {
      hint: 'Make the directory writable for this user.',
      cause
    })
  }
  return new DiskBlobStore(directory)
}

class DiskBlobStore implements BlobStore {
  readonly directory: string
  readonly #busy = new Map<Digest, Promise<unknown>>()

  constructor(directory: string) {
    this.directory = directory
  }

  path(digest: Digest): string {
    const hex = digestHex(digest)
    return join(this.directory, 'blobs', 'sha256', hex.slice(0, 2), hex)
  }

  async stat(digest: Digest): Promise<{size: number; usedAtMs: number} | undefined> {
    const stats = await stat(this.path(digest)).catch(() => undefined)
    return stats?.isFile() ? {size: stats.size, usedAtMs: stats.mtimeMs} : undefined
  }

  touch(digest: Digest, nowMs: number): Promise<{size: number} | undefined> {
    return this.exclusively(digest, () => this.#touch(digest, nowMs))
  }

  commit(upload: BlobUpload, digest: Digest, nowMs: number): Promise<'stored' | 'already_stored'> {
    return this.exclusively(digest, async () => {
      if (upload.digest() === digest && (await this.#touch(digest, nowMs))) return 'already_stored'
      await upload.commit(digest)
      await this.#touch(digest, nowMs)
      return 'stored'
    })
  }

  async open(digest: Digest, range?: {start: number; end: number}): Promise<Readable> {
    await this.#required(digest)
    return createReadStream(this.path(digest), {...range, highWaterMark: 2 ** 18})
  }

  async read(digest: Digest, bytesMax: number): Promise<Buffer> {
    const {size} = await this.#required(digest)
    if (size > bytesMax) throw new CreoError('payload_too_large', `${digest} has ${size} bytes; ${bytesMax} are the most here.`)
    const bytes = await readFile(this.path(digest))
    if (digestOf(bytes) !== digest) throw new CreoError('digest_mismatch', `${digest} on disk has other bytes.`, {hint: 'Check the disk.'})
    return bytes
  }

  async write(bytes: Buffer): Promise<{digest: Digest; size: number}> {
    const digest = digestOf(bytes)
    return this.exclusively(digest, async () => {
      if (await this.stat(digest)) return {digest, size: bytes.length}
      const upload = await this.upload({bytesMax: bytes.length})
      try {
        await upload.append([bytes], new AbortController().signal)
        return await upload.commit(digest)
      } finally {
        await upload.abort()
      }
    })
  }

  upload(options: {bytesMax?: number} = {}): Promise<BlobUpload> {
    return BlobUpload.begin({
      directory: join(this.directory, 'uploads'),
      bytesMax: Math.min(options.bytesMax ?? BLOB_BYTES_MAX, BLOB_BYTES_MAX),
      target: (digest) => this.path(digest)
    })
  }

  resume(digest: Digest, options: {bytesMax: number; signal: AbortSignal}): Promise<BlobUpload> {
    return BlobUpload.resume({
      path: join(this.directory, 'partial', digestHex(digest)),
      bytesMax: Math.min(options.bytesMax, BLOB_BYTES_MAX),
      target: (name) => this.path(name),
      signal: options.signal
    })
  }

  async exclusively<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(digest) ?? Promise.resolve()
    const turn = before.then(work, work)
    this.#busy.set(digest, turn)
    try {
      return await turn
    } finally {
      if (this.#busy.get(digest) === turn) this.#busy.delete(digest)
    }
  }

  async delete(digest: Digest): Promise<'deleted' | 'already_deleted'> {
    if (!(await this.stat(digest))) return 'already_deleted'
    await rm(this.path(digest), {force: true})
    return 'deleted'
  }

  deleteUnused(digest: Digest, sinceMs: number): Promise<'deleted' | 'already_deleted' | 'used'> {
    return this.exclusively(digest, async () => {
      const found = await this.stat(digest)
      return found && found.usedAtMs >= sinceMs ? 'used' : this.delete(digest)
    })
  }

  async list(): Promise<readonly StoredBlob[]> {
    const root = join(this.directory, 'blobs', 'sha256')
    const names = (await readdir(root, {recursive: true})).map((path) => path.slice(-64)).filter((name) => HEX.test(name))
    const blobs: StoredBlob[] = []
    for (const name of names) {
      const digest: Digest = `sha256:${name}`
      const stats = await stat(this.path(digest)).catch(() => undefined)
      if (stats) blobs.push({digest, size: stats.size, storedAtMs: stats.mtimeMs})
    }
    return blobs
  }

  async prune(options: {bytesMax: number; keep: ReadonlySet<Digest>}): Promise<{deletedBytes: number}> {
    const blobs = [...(await this.list())].sort((a, b) => a.storedAtMs - b.storedAtMs)
    let total = blobs.reduce((sum, blob) => sum + blob.size, 0)
    let deletedBytes = 0
    for (const name of total > options.bytesMax ? await readdir(join(this.directory, 'partial')) : []) {
      if (!this.#busy.has(`sha256:${name}`)) await rm(join(this.directory, 'partial', name), {force: true})
    }
    for (const blob of blobs) {
      if (total <= options.bytesMax) break
      if (options.keep.has(blob.digest) || this.#busy.has(blob.digest)) continue
      await this.delete(blob.digest)
      total -= blob.size
      deletedBytes += blob.size
    }
    return {deletedBytes}
  }

  /** Never back in time: another one may have been quicker to get its turn. */
  async #touch(digest: Digest, nowMs: number): Promise<{size: number} | undefined> {
    const found = await this.stat(digest)
    if (found === undefined) return undefined
    const at = new Date(Math.max(nowMs, found.usedAtMs))
    await utimes(this.path(digest), at, at)
    return found
  }

  async #required(digest: Digest): Promise<{size: number}> {
    const found = await this.stat(digest)
    if (!found) throw new CreoError('not_found', `${digest} is not stored here.`)
    return found
  }
}
