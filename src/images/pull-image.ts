import {CreoError} from '../core/errors.ts'
import type {BlobStore} from './blob-store.ts'
import {type Digest, digestOf} from './digest.ts'
import {fetchImage} from './fetch-image.ts'
import {openForeignRegistry} from './foreign-registry.ts'
import {linkLayoutBlob} from './layout.ts'
import {type ImportedImage, writeNormalForm} from './normal-form.ts'
import {MANIFEST_ACCEPT, MANIFEST_BYTES_MAX, parseManifest} from './oci.ts'
import type {RegistryReference} from './reference.ts'
import {expectStatus, type RegistryAddress, readBody, send, withRetries} from './registry-http.ts'
import {supportedManifests} from './supported-manifests.ts'

export interface PullImageOptions {
  readonly reference: RegistryReference
  /** Keeps what was fetched, also half of a blob, for the next time. */
  readonly store: BlobStore
  readonly layoutDirectory: string
  /** Where the files of logins are looked for. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/**
 * Fetches an image from any registry into a layout: for all architectures that functions run on, each looked at as a volunteer's machine will.
 * @throws {CreoError} as `openForeignRegistry` and `fetchImage` do; `image_missing` when it is for no such architecture.
 */
export async function pullImage(options: PullImageOptions): Promise<ImportedImage> {
  const {reference, store, layoutDirectory, signal} = options
  const registry = await openForeignRegistry(reference, options)
  try {
    const bytes = await readDocument(registry, `manifests/${reference.reference}`, signal)
    const root = digestOf(bytes)
    if (reference.digest !== undefined && reference.digest !== root)
      throw new CreoError('digest_mismatch', `${reference.host} sent another image than ${reference.digest}.`)
    const image = parseManifest(bytes)
    await store.write(bytes)
    const readBlob = async (digest: Digest): Promise<Buffer> => {
      const blob = await readDocument(registry, `blobs/${digest}`, signal)
      if (digestOf(blob) === digest) return blob
      throw new CreoError('digest_mismatch', `${reference.host} sent other bytes than ${digest}.`)
    }
    const manifests = await supportedManifests(image, root, readBlob)
    for (const manifest of manifests) await fetchImage({...registry, ...manifest, store, layoutDirectory, signal})
    await linkLayoutBlob(layoutDirectory, root, store.path(root))
    return await writeNormalForm(layoutDirectory, {root, manifests})
  } finally {
    await registry.close()
  }
}

/** A manifest or config, whole. Its digest is the caller's to check. */
async function readDocument(registry: RegistryAddress, target: string, signal: AbortSignal): Promise<Buffer> {
  const get = async (): Promise<Buffer> => {
    const response = await send(registry, {method: 'GET', target, headers: {accept: MANIFEST_ACCEPT}, signal})
    await expectStatus(response, [200], `${registry.repository} could not be had from ${registry.registryUrl}`)
    return readBody(response, MANIFEST_BYTES_MAX)
  }
  return withRetries(get, () => 0, signal)
}
