import {createReadStream} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {baseOfDirectory} from '../../images/bases.ts'
import type {Digest} from '../../images/digest.ts'
import {layoutBlobPath, readLayoutBlob, readLayoutRoot} from '../../images/layout.ts'
import {type Descriptor, parseManifest} from '../../images/oci.ts'
import {linkOf, partsOf} from './manifest-parts.ts'
import type {Registry} from './registry.ts'

/** Bases of this many versions at most: what is more is a mistake. */
const BASES_MAX = 64

/**
 * Takes the bases that `creo bases` wrote into a folder into the registry, in repositories that every account may pull from: `creo/node` and its
 * like. A tag, of its digest's first digits, keeps each. What is there already is not read again. A folder that is not there holds none.
 * One that can't be read is not offered, and holds nothing else up.
 * @returns the digests of those that are new.
 */
export async function takeBases(
  registry: Registry,
  {
    directory,
    onDamaged,
    signal
  }: {readonly directory: string; readonly onDamaged: (folder: string, error: unknown) => void; readonly signal: AbortSignal}
): Promise<readonly Digest[]> {
  const names = await readdir(directory).catch(() => [])
  const taken: Digest[] = []
  for (const folder of names.sort().slice(0, BASES_MAX)) {
    const base = baseOfDirectory(folder)
    if (base === undefined) continue
    if (await registry.catalog.find(base.repository, base.tag)) continue
    const from = join(directory, folder)
    try {
      const root = await readLayoutRoot(from)
      await takeManifest({registry, from, repository: base.repository, signal}, root, base.tag)
      taken.push(root.digest)
    } catch (error) {
      signal.throwIfAborted()
      onDamaged(from, error)
    }
  }
  return taken
}

interface Taking {
  readonly registry: Registry
  readonly from: string
  readonly repository: string
  readonly signal: AbortSignal
}

async function takeManifest(taking: Taking, descriptor: Descriptor, tag?: string): Promise<void> {
  const {registry, from, repository} = taking
  const bytes = await readLayoutBlob(from, descriptor.digest)
  const parsed = parseManifest(bytes, descriptor.mediaType)
  const {blobs, manifests} = partsOf(parsed)
  for (const blob of blobs) await takeBlob(taking, blob)
  for (const manifest of manifests) await takeManifest(taking, manifest)
  await registry.store.write(bytes)
  const change = {link: linkOf(parsed, bytes), nowMs: registry.nowMs()}
  await registry.catalog.put(repository, tag === undefined ? change : {...change, tag})
}

async function takeBlob({registry: {store}, from, signal}: Taking, {digest, size}: Descriptor): Promise<void> {
  await store.exclusively(digest, async () => {
    if (await store.stat(digest)) return
    const upload = await store.upload({bytesMax: size})
    try {
      await upload.append(createReadStream(layoutBlobPath(from, digest), {signal, highWaterMark: 2 ** 18}), signal)
      await upload.commit(digest)
    } finally {
      await upload.abort()
    }
  })
}
