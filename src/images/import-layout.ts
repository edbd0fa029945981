import {CreoError} from '../core/errors.ts'
import {digestFile} from './digest.ts'
import {IMAGE_LIMITS} from './fetch-image.ts'
import {inspectLayer} from './inspect-layer.ts'
import {layoutBlobPath, linkLayoutBlob, linkManifest, readLayoutBlob, readLayoutRoot} from './layout.ts'
import {type ImportedImage, writeNormalForm} from './normal-form.ts'
import {type ImageConfig, type ImageManifest, parseImageConfig, parseManifest} from './oci.ts'
import {supportedManifests} from './supported-manifests.ts'

/**
 * Takes an image that another tool wrote as an OCI layout: what functions can run of it is checked as a volunteer's machine will check it, and
 * linked into a layout of our own.
 * @throws {CreoError} `image_missing` when it holds none or several, or none for Linux on amd64 or arm64; `digest_mismatch`; `rejected` for hostile layers.
 */
export async function importLayout(options: {
  readonly from: string
  readonly layoutDirectory: string
  readonly signal: AbortSignal
}): Promise<ImportedImage> {
  const {from, layoutDirectory, signal} = options
  const root = await readLayoutRoot(from)
  const rootBytes = await readLayoutBlob(from, root.digest)
  const manifests = await supportedManifests(parseManifest(rootBytes), root.digest, (digest) => readLayoutBlob(from, digest))
  for (const {digest, architecture} of manifests) {
    const bytes = await readLayoutBlob(from, digest)
    const parsed = parseManifest(bytes)
    if (parsed.kind === 'index') throw new CreoError('rejected', 'An image index that holds an index is not accepted.')
    const config = parseImageConfig(await readLayoutBlob(from, parsed.manifest.config.digest))
    if (config.os !== 'linux' || config.architecture !== architecture)
      throw new CreoError('rejected', `The image calls itself linux/${architecture} and its config ${config.os}/${config.architecture}.`)
    await checkLayers({from, manifest: parsed.manifest, config, signal})
    await linkManifest(from, digest, layoutDirectory)
  }
  await linkLayoutBlob(layoutDirectory, root.digest, layoutBlobPath(from, root.digest))
  return writeNormalForm(layoutDirectory, {root: root.digest, manifests})
}

async function checkLayers(options: {
  readonly from: string
  readonly manifest: ImageManifest
  readonly config: ImageConfig
  readonly signal: AbortSignal
}): Promise<void> {
  const {from, manifest, config, signal} = options
  const diffIds = config.rootfs.diff_ids
  if (diffIds.length !== manifest.layers.length)
    throw new CreoError('rejected', `The image names ${manifest.layers.length} layers and its config ${diffIds.length}.`)
  const left = {...IMAGE_LIMITS}
  for (const [position, {digest, size, mediaType}] of manifest.layers.entries()) {
    left.compressedBytesMax -= size
    if (left.compressedBytesMax < 0)
      throw new CreoError(
        'rejected',
        `The image has more than ${IMAGE_LIMITS.compressedBytesMax} bytes, the most that a function may have.`
      )
    const path = layoutBlobPath(from, digest)
    const found = await digestFile(path, signal).catch(() => undefined)
    signal.throwIfAborted()
    if (found === undefined)
      throw new CreoError('image_missing', `The image layout "${from}" lacks ${digest}.`, {
        hint: 'Write it anew with the tool that built it.'
      })
    if (found !== digest)
      throw new CreoError('digest_mismatch', `${digest} in "${from}" has other bytes.`, {
        hint: 'Write it anew with the tool that built it.'
      })
    const facts = await inspectLayer({path, mediaType, limits: left, signal})
    if (facts.diffId !== diffIds[position])
      throw new CreoError('digest_mismatch', `Layer ${position + 1} of the image unpacks to other bytes than its config says.`)
    left.decompressedBytesMax -= facts.decompressedBytes
    left.filesMax -= facts.files
  }
}
