import {join} from 'node:path'
import {type BlobStore, openBlobStore} from '../../images/blob-store.ts'
import type {Digest} from '../../images/digest.ts'
import {type ManifestCatalog, openManifestCatalog} from './catalog.ts'
import {type Collected, collectUnused} from './collector.ts'
import {OciError} from './oci-error.ts'
import {type StorageLimits, StorageRoom} from './storage-room.ts'
import {Turns} from './turns.ts'
import {UploadSessions} from './upload-sessions.ts'

export interface RegistryOptions {
  readonly directory: string
  readonly nowMs: () => number
  /** Digests of the images that revisions which count may run: they stay, and cannot be deleted. */
  readonly liveImages: () => ReadonlySet<string>
  /** Why the operator of the network keeps this blob or manifest out; undefined when it does not. */
  readonly blockReason?: (digest: Digest) => string | undefined
  readonly limits?: Partial<StorageLimits>
}

/** What the registry keeps: blobs, which manifests and tags each repository has, and uploads under way. One process at a time has its directory. */
export interface Registry {
  readonly store: BlobStore
  readonly catalog: ManifestCatalog
  readonly sessions: UploadSessions
  readonly room: StorageRoom
  readonly turns: Turns
  /** Deleting a blob by hand looks at every manifest: one at a time, and one of an org. */
  readonly deletions: Turns
  readonly liveImages: () => ReadonlySet<string>
  readonly nowMs: () => number
  /** @throws {OciError} `DENIED` for what the operator of the network blocks: it is neither taken nor given. */
  assertNotBlocked(digest: Digest): void
  /** Deletes what nothing has referred to, nor anybody counted on, for `graceMs`. */
  collect(options: {readonly graceMs: number; readonly signal: AbortSignal}): Promise<Collected>
}

/** @throws {CreoError} `data_dir_unwritable` */
export async function openRegistry({directory, nowMs, liveImages, blockReason, limits}: RegistryOptions): Promise<Registry> {
  const store = await openBlobStore(directory)
  const catalog = await openManifestCatalog(join(directory, 'catalog'))
  const room = new StorageRoom(directory, limits)
  const sessions = new UploadSessions(store, nowMs, room)
  const tools = {store, catalog, room, sessions, turns: new Turns(), deletions: new Turns(), liveImages, nowMs}
  const assertNotBlocked = (digest: Digest): void => {
    const reason = blockReason?.(digest)
    if (reason === undefined) return
    throw new OciError('DENIED', 403, 'forbidden', `The operator of the network has blocked the image ${digest}: ${reason}`)
  }
  return {...tools, assertNotBlocked, collect: ({graceMs, signal}) => collectUnused({...tools, graceMs}, signal)}
}
