import type {LocalImage} from './build-image.ts'
import type {Digest} from './digest.ts'
import {readLayoutBlob, writeLayoutBlob, writeLayoutIndex} from './layout.ts'
import {type Architecture, type Descriptor, encodeJson, MEDIA_TYPE, parseImageConfig, parseManifest} from './oci.ts'
import type {SupportedManifest} from './supported-manifests.ts'

export interface ImportedImage {
  /** Of the layout's root: what is deployed. */
  readonly digest: Digest
  readonly platforms: readonly {readonly architecture: Architecture; readonly base: LocalImage}[]
  /** The most that a machine which has nothing of it must fetch. */
  readonly sizeBytes: number
}

const OCI_TYPES: Readonly<Record<string, string>> = {
  [MEDIA_TYPE.dockerLayerGzip]: MEDIA_TYPE.layerGzip,
  [MEDIA_TYPE.dockerLayer]: MEDIA_TYPE.layerTar
}

/**
 * Finishes a layout that holds these manifests with all that they name: manifests of Docker's kind are said again in OCI's words, and an index names
 * those that functions can run and no others. What is in this form already keeps its digest.
 */
export async function writeNormalForm(
  layoutDirectory: string,
  {root, manifests}: {readonly root: Digest; readonly manifests: readonly SupportedManifest[]}
): Promise<ImportedImage> {
  const images: Descriptor[] = []
  let sizeBytes = 0
  for (const {digest} of manifests) {
    const image = await normalManifest(layoutDirectory, digest)
    images.push(image.descriptor)
    sizeBytes = Math.max(sizeBytes, image.sizeBytes)
  }
  const platforms = manifests.map(({architecture}, at) => ({
    architecture,
    base: {layoutDirectory, manifestDigest: images[at]?.digest ?? root}
  }))
  const rootBytes = await readLayoutBlob(layoutDirectory, root)
  const parsed = parseManifest(rootBytes)
  const named = parsed.kind === 'index' ? parsed.index.manifests.map(({digest}) => digest) : [root]
  const isNormal =
    (parsed.mediaType === MEDIA_TYPE.index || parsed.mediaType === MEDIA_TYPE.manifest) &&
    named.length === images.length &&
    images.every(({digest}) => named.includes(digest))
  const top = isNormal
    ? {mediaType: parsed.mediaType, digest: root, size: rootBytes.length}
    : await writeLayoutBlob(
        layoutDirectory,
        MEDIA_TYPE.index,
        encodeJson({schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: images})
      )
  await writeLayoutIndex(layoutDirectory, top)
  return {digest: top.digest, platforms, sizeBytes: sizeBytes + top.size}
}

async function normalManifest(
  layoutDirectory: string,
  digest: Digest
): Promise<{readonly descriptor: Descriptor; readonly sizeBytes: number}> {
  const bytes = await readLayoutBlob(layoutDirectory, digest)
  const parsed = parseManifest(bytes)
  const manifest = parsed.kind === 'manifest' ? parsed.manifest : undefined
  if (manifest === undefined) throw new TypeError('An index where a manifest was meant.')
  const {architecture, os} = parseImageConfig(await readLayoutBlob(layoutDirectory, manifest.config.digest))
  const layers = manifest.layers.map((layer) => ({...layer, mediaType: OCI_TYPES[layer.mediaType] ?? layer.mediaType}))
  const json = {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config: {...manifest.config, mediaType: MEDIA_TYPE.config}, layers}
  const written =
    parsed.mediaType === MEDIA_TYPE.manifest
      ? {mediaType: MEDIA_TYPE.manifest, digest, size: bytes.length}
      : await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.manifest, encodeJson(json))
  const sizeBytes = [written, manifest.config, ...layers].reduce((sum, part) => sum + part.size, 0)
  return {descriptor: {...written, platform: {architecture, os}}, sizeBytes}
}
