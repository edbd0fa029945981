import {CreoError} from '../core/errors.ts'
import type {BlobStore} from './blob-store.ts'
import type {BlobUpload} from './blob-upload.ts'
import type {LocalImage} from './build-image.ts'
import {type Digest, digestOf} from './digest.ts'
import {inspectLayer, LAYER_LIMITS, type LayerFacts, type LayerLimits} from './inspect-layer.ts'
import {linkLayoutBlob, writeLayoutIndex} from './layout.ts'
import {
  type Architecture,
  type Descriptor,
  type ImageConfig,
  type ImageManifest,
  MANIFEST_ACCEPT,
  MANIFEST_BYTES_MAX,
  type ParsedManifest,
  parseImageConfig,
  parseManifest,
  pickArchitecture
} from './oci.ts'
import type {TransferProgress} from './registry-client.ts'
import {dropBody, expectStatus, type RegistryAddress, readBody, send, unreachable, withRetries} from './registry-http.ts'

export interface ImageLimits extends LayerLimits {
  readonly compressedBytesMax: number
}

/** What a volunteer's machine accepts; `decompressedBytesMax` and `filesMax` count over all layers together. */
export const IMAGE_LIMITS: ImageLimits = {...LAYER_LIMITS, compressedBytesMax: 2 * 2 ** 30}
const LAYER_FACTS_KEPT = 1024

export interface FetchImageOptions extends RegistryAddress {
  /** Of an index or of a manifest. */
  readonly digest: Digest
  readonly architecture: Architecture
  /** Keeps what has been fetched, also half of a blob, for the next time. */
  readonly store: BlobStore
  /** Where the OCI layout for the runtime is written, with hard links into the store. */
  readonly layoutDirectory: string
  readonly limits?: ImageLimits
  readonly onProgress?: (progress: TransferProgress) => void
  /** Asked before the first layer: how much is still to be fetched. Throws to refuse the image. */
  readonly admit?: (missingBytes: number) => void
  /** Bytes that came over the wire; throws to cut the fetch off. */
  readonly onBytes?: (bytes: number) => void
  readonly signal: AbortSignal
}

export interface FetchedImage extends LocalImage {
  readonly config: ImageConfig
  /** Bytes that came over the wire this time. */
  readonly bytesFetched: number
  readonly compressedBytes: number
  readonly decompressedBytes: number
  readonly files: number
}

/** Layers that were looked at already, by store: bases are shared by many images. */
const inspected = new WeakMap<BlobStore, Map<Digest, LayerFacts>>()

/**
 * Fetches an image with Range requests that go on where the last attempt was cut, checks every digest, and looks into every layer before
 * the layout exists. What the store has is not fetched again, and then the registry is not even asked.
 * @throws {CreoError} `image_missing`; `wrong_architecture` when it is for others alone; `rejected` for hostile layers; `digest_mismatch`; `unavailable`.
 */
export async function fetchImage(options: FetchImageOptions): Promise<FetchedImage> {
  const limits = options.limits ?? IMAGE_LIMITS
  const fetch = new ImageFetch(options)
  const {manifest, descriptor} = await fetch.manifest()
  assertSize(manifest, limits)
  fetch.expect(manifest)
  options.admit?.(await fetch.missingBytes(manifest))
  const config = parseImageConfig(await fetch.smallBlob(manifest.config))
  assertConfig(config, manifest, options.architecture)
  let decompressedBytes = 0
  let files = 0
  for (const [position, layer] of manifest.layers.entries()) {
    await fetch.blob(layer)
    const left = {
      decompressedBytesMax: limits.decompressedBytesMax - decompressedBytes,
      filesMax: limits.filesMax - files,
      ratioMax: limits.ratioMax
    }
    const facts = await factsOf(options, layer, left)
    if (facts.diffId !== config.rootfs.diff_ids[position]) {
      throw new CreoError('digest_mismatch', `Layer ${position + 1} of the image unpacks to other bytes than its config says.`)
    }
    decompressedBytes += facts.decompressedBytes
    files += facts.files
  }
  await writeLayout(options, manifest, descriptor)
  const compressedBytes = [manifest.config, ...manifest.layers].reduce((sum, part) => sum + part.size, 0)
  const {layoutDirectory} = options
  return {layoutDirectory, manifestDigest: descriptor.digest, config, bytesFetched: fetch.bytes, compressedBytes, decompressedBytes, files}
}

function assertSize(manifest: ImageManifest, limits: ImageLimits): void {
  const bytes = manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size)
  if (bytes > limits.compressedBytesMax) {
    throw new CreoError('rejected', `The image has ${bytes} bytes; ${limits.compressedBytesMax} are the most here.`)
  }
}

function assertConfig(config: ImageConfig, manifest: ImageManifest, architecture: Architecture): void {
  if (config.os !== 'linux' || config.architecture !== architecture) {
    throw new CreoError(
      'wrong_architecture',
      `This image is for ${config.os}/${config.architecture}; this machine is linux/${architecture}.`,
      {
        hint: `Build and deploy it for ${architecture} too.`
      }
    )
  }
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new CreoError('rejected', `The image names ${manifest.layers.length} layers and its config ${config.rootfs.diff_ids.length}.`)
  }
}

async function factsOf(options: FetchImageOptions, layer: Descriptor, limits: LayerLimits): Promise<LayerFacts> {
  const known = inspected.get(options.store) ?? new Map<Digest, LayerFacts>()
  inspected.set(options.store, known)
  const before = known.get(layer.digest)
  if (before && before.decompressedBytes <= limits.decompressedBytesMax && before.files <= limits.filesMax) return before
  const facts = await inspectLayer({path: options.store.path(layer.digest), mediaType: layer.mediaType, limits, signal: options.signal})
  if (known.size >= LAYER_FACTS_KEPT) known.clear()
  known.set(layer.digest, facts)
  return facts
}

async function writeLayout(options: FetchImageOptions, manifest: ImageManifest, descriptor: Descriptor): Promise<void> {
  for (const {digest} of [descriptor, manifest.config, ...manifest.layers]) {
    await linkLayoutBlob(options.layoutDirectory, digest, options.store.path(digest))
  }
  await writeLayoutIndex(options.layoutDirectory, descriptor)
}

class ImageFetch {
  bytes = 0
  readonly #options: FetchImageOptions
  #doneBytes = 0
  #totalBytes = 0

  constructor(options: FetchImageOptions) {
    this.#options = options
  }

  async manifest(): Promise<{manifest: ImageManifest; descriptor: Descriptor}> {
    const outer = await this.#loadManifest(this.#options.digest)
    if (outer.kind === 'manifest') return {manifest: outer.manifest, descriptor: await this.#describe(this.#options.digest, outer)}
    const picked = pickArchitecture(outer.index, this.#options.architecture)
    const inner = await this.#loadManifest(picked.digest)
    if (inner.kind === 'index') throw new CreoError('rejected', 'An image index that holds an index is not accepted.')
    return {manifest: inner.manifest, descriptor: await this.#describe(picked.digest, inner)}
  }

  expect(manifest: ImageManifest): void {
    this.#totalBytes = manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size)
  }

  /** What of the image the store does not have yet. */
  async missingBytes(manifest: ImageManifest): Promise<number> {
    const sizes = new Map([manifest.config, ...manifest.layers].map(({digest, size}) => [digest, size]))
    for (const digest of sizes.keys()) if (await this.#options.store.stat(digest)) sizes.delete(digest)
    return [...sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  async smallBlob(descriptor: Descriptor): Promise<Buffer> {
    if (descriptor.size > MANIFEST_BYTES_MAX) throw new CreoError('rejected', `The image's config has ${descriptor.size} bytes.`)
    await this.blob(descriptor)
    return this.#options.store.read(descriptor.digest, MANIFEST_BYTES_MAX)
  }

  /** Makes sure that the store has the blob. */
  async blob(descriptor: Descriptor): Promise<void> {
    const {store, signal} = this.#options
    await store.exclusively(descriptor.digest, async () => {
      const stored = await store.stat(descriptor.digest)
      if (stored && stored.size !== descriptor.size) {
        throw new CreoError('rejected', `The image says that ${descriptor.digest} has ${descriptor.size} bytes; it has ${stored.size}.`)
      }
      let reached = 0
      const attempt = async (): Promise<void> => {
        const upload = await store.resume(descriptor.digest, {bytesMax: descriptor.size, signal})
        try {
          if (upload.offset < descriptor.size) await this.#download(descriptor, upload)
          await upload.commit(descriptor.digest)
        } finally {
          reached = Math.max(reached, upload.offset)
          await upload.suspend()
        }
      }
      if (!stored) await withRetries(attempt, () => reached, signal)
    })
    this.#doneBytes += descriptor.size
    this.#report(0)
  }

  async #download(descriptor: Descriptor, upload: BlobUpload): Promise<void> {
    const {signal} = this.#options
    const from = upload.offset
    const headers: Record<string, string> = from > 0 ? {range: `bytes=${from}-`} : {}
    const response = await send(this.#options, {method: 'GET', target: `blobs/${descriptor.digest}`, headers, signal})
    if (from > 0 && response.statusCode === 200) {
      await dropBody(response)
      await upload.abort()
      throw new CreoError('unavailable', 'The registry cannot go on in the middle of a blob; it is fetched anew.')
    }
    await expectStatus(response, [from > 0 ? 206 : 200], `The blob ${descriptor.digest} could not be fetched`)
    if (from > 0 && !String(response.headers['content-range']).startsWith(`bytes ${from}-`)) {
      throw new CreoError('rejected', 'The registry answered with another range than was asked for.')
    }
    try {
      await upload.append(this.#counted(response.body, from), signal)
    } catch (error) {
      throw unreachable(this.#options, signal, error)
    }
    if (upload.offset < descriptor.size) throw new CreoError('unavailable', 'The registry broke off in the middle of a blob.')
  }

  async *#counted(source: AsyncIterable<Uint8Array>, from: number): AsyncGenerator<Uint8Array> {
    let received = from
    for await (const chunk of source) {
      this.#came(chunk.byteLength)
      received += chunk.byteLength
      yield chunk
      this.#report(received)
    }
  }

  #came(bytes: number): void {
    this.bytes += bytes
    this.#options.onBytes?.(bytes)
  }

  #report(partialBytes: number): void {
    this.#options.onProgress?.({doneBytes: this.#doneBytes + partialBytes, totalBytes: this.#totalBytes})
  }

  async #describe(digest: Digest, parsed: ParsedManifest): Promise<Descriptor> {
    const size = (await this.#options.store.stat(digest))?.size ?? 0
    return {mediaType: parsed.mediaType, digest, size, platform: {architecture: this.#options.architecture, os: 'linux'}}
  }

  async #loadManifest(digest: Digest): Promise<ParsedManifest> {
    const {store, signal} = this.#options
    if (await store.stat(digest)) return parseManifest(await store.read(digest, MANIFEST_BYTES_MAX))
    const get = async (): Promise<Buffer> => {
      const headers = {accept: MANIFEST_ACCEPT}
      const response = await send(this.#options, {method: 'GET', target: `manifests/${digest}`, headers, signal})
      await expectStatus(response, [200], `The image ${digest} could not be fetched`)
      return readBody(response, MANIFEST_BYTES_MAX)
    }
    const bytes = await withRetries(get, () => 0, signal)
    this.#came(bytes.length)
    if (digestOf(bytes) !== digest) throw new CreoError('digest_mismatch', `The registry sent another manifest than ${digest}.`)
    const parsed = parseManifest(bytes)
    await store.write(bytes)
    return parsed
  }
}
