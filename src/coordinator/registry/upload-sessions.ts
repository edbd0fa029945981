import {CreoError} from '../../core/errors.ts'
import type {BlobStore} from '../../images/blob-store.ts'
import type {BlobUpload} from '../../images/blob-upload.ts'
import type {Digest} from '../../images/digest.ts'
import {OciError} from './oci-error.ts'
import {orgOf} from './repository-name.ts'
import {StorageRoom} from './storage-room.ts'

const SESSIONS_MAX = 256
/** One org's broken pushes must not keep the others out. */
const SESSIONS_PER_ORG_MAX = 8
const UPLOAD_BYTES_MAX = 2 * 2 ** 30
/** Without a byte for this long an upload is given up. */
const SESSION_IDLE_MAX_MS = 10 * 60_000
/** However it drips: the largest upload at 100 kB/s. */
const SESSION_AGE_MAX_MS = 6 * 3_600_000

/** An upload under way. */
export interface Session {
  readonly upload: BlobUpload
  readonly repository: string
  readonly org: string
  readonly begunAtMs: number
  lastByteAtMs: number
  /** Cuts the append that runs. */
  cut: (() => void) | undefined
  /** Settles when nothing that was asked of this upload runs any more. */
  last: Promise<unknown>
  /** How often something was asked of it: what waits behind a newer one has lost its client. */
  asked: number
}

/** Where bytes come from. */
export interface UploadSource {
  readonly bytes: AsyncIterable<Buffer>
  /** Makes `bytes` fail at once. */
  readonly cut: () => void
  readonly signal: AbortSignal
}

/** Uploads under way. They live in this process only: after a restart clients begin again. */
export class UploadSessions {
  readonly #store: BlobStore
  readonly #nowMs: () => number
  readonly #room: StorageRoom
  readonly #sessions = new Map<string, Session>()
  /** Orgs of all sessions, also of those that are just being made. */
  readonly #places = new Map<string, number>()

  constructor(store: BlobStore, nowMs: () => number, room: StorageRoom = new StorageRoom(store.directory)) {
    this.#store = store
    this.#nowMs = nowMs
    this.#room = room
  }

  /** @throws {CreoError} `overloaded` while too many uploads are under way, of this org or in all. */
  async begin(repository: string): Promise<Session> {
    await this.dropIdle()
    const org = orgOf(repository)
    await this.#makePlace(org)
    this.#takePlace(org)
    try {
      const upload = await this.#store.upload({bytesMax: UPLOAD_BYTES_MAX})
      const nowMs = this.#nowMs()
      const session: Session = {
        upload,
        repository,
        org,
        begunAtMs: nowMs,
        lastByteAtMs: nowMs,
        cut: undefined,
        last: Promise.resolve(),
        asked: 0
      }
      this.#sessions.set(upload.id, session)
      return session
    } catch (error) {
      this.#leavePlace(org)
      throw error
    }
  }

  /** @throws {OciError} `BLOB_UPLOAD_UNKNOWN` for an upload that has ended, was idle too long, or belongs to another repository. */
  get(repository: string, id: string): Session {
    const session = this.#sessions.get(id)
    if (session?.repository === repository) return session
    throw unknownUpload()
  }

  /**
   * One thing at a time changes an upload. An append that runs is cut, since its client has lost its connection and may not know how far it came; a
   * blob that takes its name is waited for.
   * @throws {OciError} `BLOB_UPLOAD_UNKNOWN` when the upload has ended meanwhile, `BLOB_UPLOAD_INVALID` when a newer request waits; else what `work` says.
   */
  alone<T>(session: Session, work: () => Promise<T>): Promise<T> {
    session.asked += 1
    const turn = session.asked
    session.cut?.()
    const answer = session.last.then(() => {
      this.get(session.repository, session.upload.id)
      if (session.asked === turn) return work()
      throw new OciError('BLOB_UPLOAD_INVALID', 409, 'conflict', 'A newer request continues this upload.')
    })
    session.last = answer.catch(() => undefined)
    return answer
  }

  /**
   * Takes what comes, as far as there is room. What came before a failure stays, so that the client can go on.
   * @throws {CreoError} `unavailable` when the disk is nearly full, `DENIED` when the org has its share, and what `append` says.
   */
  async receive(session: Session, {bytes, cut, signal}: UploadSource): Promise<void> {
    session.cut = cut
    try {
      await session.upload.append(this.#withinRoom(session, bytes), signal)
    } finally {
      session.cut = undefined
    }
  }

  /** Makes the blob visible and counts it for the org. Bytes that the store has already count for nobody. */
  async commit(session: Session, digest: Digest): Promise<void> {
    const size = session.upload.offset
    const fate = await this.#store.commit(session.upload, digest, this.#nowMs())
    if (fate === 'stored') await this.#room.stored(session.org, {digest, size})
  }

  /** Stores bytes that are in memory already, as `receive` and `commit` would. */
  async store(org: string, bytes: Buffer): Promise<void> {
    const granted = await this.#room.grant(org, this.#pendingBytes(org) + bytes.length)
    try {
      await this.#room.stored(org, await this.#store.write(bytes))
    } finally {
      this.#room.settle(granted)
    }
  }

  /** From within `alone`: whatever waits finds no upload any more. */
  async leave(session: Session): Promise<void> {
    this.#forget(session)
    await session.upload.abort()
  }

  /** From outside: gives the upload up, once what runs of it has been cut or has taken its name. */
  async end(id: string): Promise<void> {
    const session = this.#sessions.get(id)
    if (!session) return
    this.#forget(session)
    session.cut?.()
    await session.last
    await session.upload.abort()
  }

  async close(): Promise<void> {
    for (const id of [...this.#sessions.keys()]) await this.end(id)
  }

  #forget(session: Session): void {
    if (this.#sessions.delete(session.upload.id)) this.#leavePlace(session.org)
  }

  async *#withinRoom(session: Session, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let granted = 0
    try {
      for await (const chunk of bytes) {
        while (granted < chunk.length) granted += await this.#room.grant(session.org, this.#pendingBytes(session.org))
        session.lastByteAtMs = this.#nowMs()
        yield chunk
        granted -= chunk.length
        this.#room.settle(chunk.length)
      }
    } finally {
      this.#room.settle(granted)
    }
  }

  #pendingBytes(org: string): number {
    let bytes = 0
    for (const session of this.#sessions.values()) if (session.org === org) bytes += session.upload.offset
    return bytes
  }

  /** When all places are taken, the org that has most gives up its slowest upload, to one that will still have fewer. */
  async #makePlace(org: string): Promise<void> {
    if (this.#placesTaken() < SESSIONS_MAX) return
    const [most, count] = [...this.#places].reduce((a, b) => (b[1] > a[1] ? b : a))
    if (count <= (this.#places.get(org) ?? 0) + 1) return
    const nowMs = this.#nowMs()
    const msPerByte = ({begunAtMs, upload}: Session): number => (nowMs - begunAtMs) / (upload.offset + 1)
    const ofMost = [...this.#sessions.values()].filter((session) => session.org === most)
    const [slowest] = ofMost.sort((a, b) => msPerByte(b) - msPerByte(a))
    if (slowest !== undefined) await this.end(slowest.upload.id)
  }

  #placesTaken(): number {
    return this.#places.values().reduce((sum, count) => sum + count, 0)
  }

  #takePlace(org: string): void {
    const ofOrg = this.#places.get(org) ?? 0
    const all = this.#placesTaken()
    if (ofOrg >= SESSIONS_PER_ORG_MAX || all >= SESSIONS_MAX) {
      const whose = ofOrg >= SESSIONS_PER_ORG_MAX ? `${ofOrg} uploads of ${org}` : `${all} uploads`
      throw new CreoError('overloaded', `${whose} are under way.`, {hint: 'Try again in a few minutes.'})
    }
    this.#places.set(org, ofOrg + 1)
  }

  #leavePlace(org: string): void {
    const left = (this.#places.get(org) ?? 0) - 1
    if (left > 0) this.#places.set(org, left)
    else this.#places.delete(org)
  }

  /** Gives up what has not had a byte for long, and what takes for ever: nothing of it stays. */
  async dropIdle(): Promise<void> {
    const nowMs = this.#nowMs()
    for (const [id, {lastByteAtMs, begunAtMs}] of this.#sessions) {
      if (lastByteAtMs < nowMs - SESSION_IDLE_MAX_MS || begunAtMs < nowMs - SESSION_AGE_MAX_MS) await this.end(id)
    }
  }
}

function unknownUpload(): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', 404, 'not_found', 'There is no such upload.', {hint: 'Begin the upload again.'})
}
