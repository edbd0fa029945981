import {setImmediate as nextTurn} from 'node:timers/promises'
import type {BlobStore} from '../../images/blob-store.ts'
import type {Digest} from '../../images/digest.ts'
import {MANIFEST_BYTES_MAX} from '../../images/oci.ts'
import type {LinkedManifest, ManifestCatalog, ManifestLink} from './catalog.ts'
import {withParts} from './manifest-parts.ts'
import type {StorageRoom} from './storage-room.ts'
import type {Turns} from './turns.ts'
import type {UploadSessions} from './upload-sessions.ts'

/** Most that one round deletes of each kind; the next round goes on. */
const DELETED_PER_ROUND_MAX = 20_000
/** Other work of the process gets its turn after so many. */
const PER_SLICE = 200

export interface CollectorTools {
  readonly store: BlobStore
  readonly catalog: ManifestCatalog
  readonly room: StorageRoom
  readonly sessions: UploadSessions
  readonly turns: Turns
  /** Images that a revision which is live, or can be gone back to, or is leased, runs. */
  readonly liveImages: () => ReadonlySet<string>
  readonly nowMs: () => number
  /** What nothing refers to is left for this long after somebody last counted on it: a push is under way, or a deploy. */
  readonly graceMs: number
}

export interface Collected {
  readonly manifests: number
  readonly blobs: number
}

/**
 * Deletes what nothing refers to any more. Kept are manifests with a tag, those of live revisions, what was counted on within the grace, the manifests of a kept index, and what says
 * something about a kept manifest; then the blobs of all manifests that are left. Each step leaves a whole registry behind, so it may be killed at any
 * instant: an index goes before its manifests, manifests before their blobs, blobs before what is counted of them.
 */
export async function collectUnused(tools: CollectorTools, signal: AbortSignal): Promise<Collected> {
  await tools.sessions.dropIdle()
  const sinceMs = tools.nowMs() - tools.graceMs
  let manifests = 0
  for await (const repository of tools.catalog.repositories()) {
    signal.throwIfAborted()
    if (manifests < DELETED_PER_ROUND_MAX) manifests += await dropManifests(tools, repository, sinceMs)
  }
  await tools.turns.take(async () => undefined)
  const blobs = await dropBlobs(tools, {sinceMs, used: await usedBlobs(tools, signal)}, signal)
  await tools.room.forgetAbsent(async (digest) => (await tools.store.stat(digest)) !== undefined)
  return {manifests, blobs}
}

/** Whether any manifest of any repository names this blob, or is it. */
export async function isReferredTo(tools: Pick<CollectorTools, 'catalog' | 'store'>, digest: Digest): Promise<boolean> {
  for await (const repository of tools.catalog.repositories()) {
    for (const {link} of await tools.catalog.manifests(repository)) {
      if (link.digest === digest || (await completed(tools.store, link)).blobs?.includes(digest)) return true
    }
  }
  return false
}

/** What goes is found twice: at leisure, and where there is something, once more within one turn, in which nothing is linked or counted on. */
async function dropManifests(tools: CollectorTools, repository: string, sinceMs: number): Promise<number> {
  const isAny = (await unneeded(tools, repository, sinceMs)).length > 0
  return tools.turns.take(async () => {
    const dropped = isAny ? await unneeded(tools, repository, sinceMs) : []
    for (const {digest} of dropped) await tools.catalog.remove(repository, digest)
    await tools.catalog.tidy(repository)
    return dropped.length
  })
}

async function unneeded({catalog, store, liveImages}: CollectorTools, repository: string, sinceMs: number): Promise<ManifestLink[]> {
  const linked: LinkedManifest[] = []
  for (const one of await catalog.manifests(repository)) linked.push({...one, link: await completed(store, one.link)})
  const live = liveImages()
  const kept = keptOf(linked, ({link, usedAtMs, isTagged}) => isTagged || usedAtMs >= sinceMs || live.has(link.digest))
  return parentsFirst(linked.map(({link}) => link).filter((link) => !kept.has(link.digest))).slice(0, DELETED_PER_ROUND_MAX)
}

/** What is kept for its own sake, and then what those name and what says something about them. */
function keptOf(linked: readonly LinkedManifest[], isRoot: (one: LinkedManifest) => boolean): ReadonlySet<Digest> {
  const byDigest = new Map(linked.map(({link}) => [link.digest, link]))
  const bySubject = Map.groupBy(linked, ({link}) => link.subject)
  const open = linked.filter(isRoot).map(({link}) => link.digest)
  const kept = new Set<Digest>()
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (kept.has(digest)) continue
    kept.add(digest)
    open.push(...(byDigest.get(digest)?.manifests ?? []), ...(bySubject.get(digest) ?? []).map(({link}) => link.digest))
  }
  return kept
}

/** An index before the manifests that it names, so that no index that can be seen has lost one. */
function parentsFirst(links: readonly ManifestLink[]): ManifestLink[] {
  const byDigest = new Map(links.map((link) => [link.digest, link]))
  const seen = new Set<Digest>()
  const childrenFirst: ManifestLink[] = []
  const visit = (link: ManifestLink): void => {
    if (seen.has(link.digest)) return
    seen.add(link.digest)
    for (const digest of link.manifests ?? []) {
      const child = byDigest.get(digest)
      if (child) visit(child)
    }
    childrenFirst.push(link)
  }
  for (const link of links) visit(link)
  return childrenFirst.reverse()
}

/**
 * Of every manifest that is linked now, which no turn does that began before: on a slow disk it could have counted on its blobs longer ago than the grace.
 * What is linked later counts on them later than that, and so keeps them.
 */
async function usedBlobs({catalog, store}: CollectorTools, signal: AbortSignal): Promise<ReadonlySet<Digest>> {
  const used = new Set<Digest>()
  for await (const repository of catalog.repositories()) {
    signal.throwIfAborted()
    for (const {link} of await catalog.manifests(repository)) {
      used.add(link.digest)
      for (const digest of (await completed(store, link)).blobs ?? []) used.add(digest)
    }
    await nextTurn()
  }
  return used
}

async function dropBlobs(
  {store}: CollectorTools,
  {sinceMs, used}: {readonly sinceMs: number; readonly used: ReadonlySet<Digest>},
  signal: AbortSignal
): Promise<number> {
  const unused = (await store.list()).filter(({digest, storedAtMs}) => storedAtMs < sinceMs && !used.has(digest))
  let deleted = 0
  for (const [index, {digest}] of unused.slice(0, DELETED_PER_ROUND_MAX).entries()) {
    signal.throwIfAborted()
    if ((await store.deleteUnused(digest, sinceMs)) === 'deleted') deleted += 1
    if (index % PER_SLICE === 0) await nextTurn()
  }
  return deleted
}

/** @throws {CreoError} when the manifest's bytes are not what they were: then nothing is collected. */
async function completed(store: BlobStore, link: ManifestLink): Promise<ManifestLink> {
  if (link.blobs !== undefined || link.manifests !== undefined) return link
  return withParts(link, await store.read(link.digest, MANIFEST_BYTES_MAX))
}
