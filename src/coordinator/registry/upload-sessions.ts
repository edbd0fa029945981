import {statfs} from 'node:fs/promises'
import {CreoError} from '../../core/errors.ts'
import type {BlobStore} from '../../images/blob-store.ts'
import type {BlobUpload} from '../../images/blob-upload.ts'

const SESSIONS_MAX = 64
const UPLOAD_BYTES_MAX = 2 * 2 ** 30
/** The journal may share this disk: images must not fill it. */
const DISK_FREE_BYTES_MIN = 512 * 2 ** 20
const SESSION_AGE_MAX_MS = 60 * 60 * 1000

interface Session {
  readonly upload: BlobUpload
  readonly repository: string
  readonly startedAtMs: number
}

/** Uploads under way. They live in this process only: after a restart clients begin again. */
export class UploadSessions {
  readonly #store: BlobStore
  readonly #nowMs: () => number
  readonly #sessions = new Map<string, Session>()

  constructor(store: BlobStore, nowMs: () => number) {
    this.#store = store
    this.#nowMs = nowMs
  }

  /** @throws {CreoError} `overloaded` while SESSIONS_MAX uploads are under way, `unavailable` when the disk is nearly full. */
  async begin(repository: string): Promise<BlobUpload> {
    await this.#dropOld()
    if (this.#sessions.size >= SESSIONS_MAX) {
      throw new CreoError('overloaded', `${SESSIONS_MAX} uploads are under way.`, {hint: 'Try again in a minute.'})
    }
    await this.#assertRoom()
    const upload = await this.#store.upload({bytesMax: UPLOAD_BYTES_MAX})
    this.#sessions.set(upload.id, {upload, repository, startedAtMs: this.#nowMs()})
    return upload
  }

  /** @throws {CreoError} `not_found` for an upload that has ended, is too old, or belongs to another repository. */
  get(repository: string, id: string): BlobUpload {
    const session = this.#sessions.get(id)
    if (session?.repository === repository) return session.upload
    throw new CreoError('not_found', 'There is no such upload.', {hint: 'Begin the upload again.'})
  }

  async end(id: string): Promise<void> {
    const session = this.#sessions.get(id)
    this.#sessions.delete(id)
    await session?.upload.abort()
  }

  async close(): Promise<void> {
    for (const id of [...this.#sessions.keys()]) await this.end(id)
  }

  async #assertRoom(): Promise<void> {
    const disk = await statfs(this.#store.directory)
    if (disk.bavail * disk.bsize >= DISK_FREE_BYTES_MIN) return
    throw new CreoError('unavailable', 'The disk of the registry is nearly full.', {hint: 'Free some disk space on the coordinator.'})
  }

  async #dropOld(): Promise<void> {
    const oldest = this.#nowMs() - SESSION_AGE_MAX_MS
    for (const [id, session] of this.#sessions) if (session.startedAtMs < oldest) await this.end(id)
  }
}
