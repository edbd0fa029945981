import assert from 'node:assert'
import {posix} from 'node:path'
import {CreoError} from '../core/errors.ts'
import type {Digest} from './digest.ts'
import {type FolderLayer, packFolder} from './folder-layers.ts'
import type {Layer} from './layer.ts'
import type {LayerCache} from './layer-cache.ts'
import {layoutBlobPath, linkLayoutBlob, readLayoutBlob, writeLayoutBlob, writeLayoutIndex} from './layout.ts'
import {
  type Architecture,
  type Descriptor,
  encodeJson,
  type ImageConfig,
  type ImageManifest,
  LAYERS_MAX,
  MEDIA_TYPE,
  manifestSchema,
  parseImageConfig
} from './oci.ts'
import type {TarEntry} from './tar-writer.ts'

/** An image in a layout directory on this machine, named by the manifest for one architecture. */
export interface LocalImage {
  readonly layoutDirectory: string
  readonly manifestDigest: Digest
  /** Its layers are not here, but in the registry that what is built upon it will be pushed to. */
  readonly layersInRegistry?: boolean
}

/** One architecture that an image is built for, and the image below the function there, or nothing at all. */
export interface Platform {
  readonly architecture: Architecture
  readonly base: 'scratch' | LocalImage
}

export interface BuildImageOptions {
  /** In the order in which the index names them. */
  readonly platforms: readonly Platform[]
  readonly folder: string
  /** What is put into the image beside the folder's own files, below folders that it has. */
  readonly more?: readonly TarEntry[]
  /** The command line, taken from `workdir`; empty keeps the base's own. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Absolute path in the image where the folder is put and the command starts. */
  readonly workdir?: string
  /** Where the OCI layout is written. */
  readonly layoutDirectory: string
  /** Layers of earlier builds. */
  readonly cache?: LayerCache
  readonly signal: AbortSignal
}

/** As a local image it is that of its first platform. */
export interface BuiltImage extends LocalImage {
  /** What is pushed and deployed: an index of one manifest per architecture. */
  readonly indexDigest: Digest
  readonly images: readonly ArchitectureImage[]
  /** What became of the folder. */
  readonly layers: readonly FolderLayer[]
  /** The most that a machine which has nothing of it must fetch. */
  readonly sizeBytes: number
}

export interface ArchitectureImage {
  readonly architecture: string
  readonly manifestDigest: Digest
  readonly configDigest: Digest
  readonly sizeBytes: number
}

/** Where the folder goes when nothing else is said. */
export const WORKDIR = '/app'
/** Who a function runs as when its base says nothing: no one that a host has. */
export const FUNCTION_USER = '65532:65532'

/**
 * Builds an image without a daemon: each base's layers, and the folder's on top of all of them. The same input gives the same digests. An
 * architecture that the folder's program is not compiled for is left out.
 * @throws {CreoError} `build_failed` for a folder that cannot be packed or a base of another architecture.
 */
export async function buildImage(options: BuildImageOptions): Promise<BuiltImage> {
  const {layoutDirectory, platforms} = options
  const workdir = checkedWorkdir(options.workdir ?? WORKDIR)
  const program = programIn(workdir, options.argv[0] ?? '')
  const asked = platforms.map(({architecture}) => architecture)
  const {layers, architectures} = await packFolder({...options, prefix: workdir.slice(1), program, architectures: asked})
  if (architectures.length === 0) {
    throw new CreoError('build_failed', `"${program}" is compiled for none of ${asked.join(' and ')}, for which the image would be.`, {
      hint: 'Compile it for linux/amd64, linux/arm64 or both, each into a folder linux-amd64 or linux-arm64.'
    })
  }
  const images = platforms.filter(({architecture}) => architectures.includes(architecture))
  const contents = await Promise.all(images.map((platform) => contentOf(options, platform, workdir, layers)))
  const written = await writeImage({layoutDirectory, images: contents})
  const [first] = written.images
  assert(first !== undefined)
  return {...written, layoutDirectory, manifestDigest: first.manifestDigest, layers}
}

interface ImageContent {
  readonly config: ImageConfig
  readonly layers: readonly Descriptor[]
}

async function contentOf(
  options: BuildImageOptions,
  platform: Platform,
  workdir: string,
  packed: readonly FolderLayer[]
): Promise<ImageContent> {
  const base = platform.base === 'scratch' ? undefined : await readBase(platform.base, platform.architecture)
  if (platform.base !== 'scratch') await linkBaseLayers(platform.base, options.layoutDirectory, base?.manifest.layers ?? [])
  const own = packed.filter(({architecture}) => architecture === undefined || architecture === platform.architecture)
  return {
    config: configOf(options, {architecture: platform.architecture, workdir, base: base?.config, layers: own}),
    layers: [...(base?.manifest.layers ?? []), ...own.map(layerDescriptor)]
  }
}

/** Writes configs, manifests and one index for layers that lie in the layout already, and finishes the layout. */
export async function writeImage(options: {
  readonly layoutDirectory: string
  readonly images: readonly ImageContent[]
}): Promise<{readonly indexDigest: Digest; readonly images: readonly ArchitectureImage[]; readonly sizeBytes: number}> {
  const {layoutDirectory} = options
  const manifests: Descriptor[] = []
  const images: ArchitectureImage[] = []
  for (const {config: content, layers} of options.images) {
    if (layers.length > LAYERS_MAX)
      throw new CreoError('build_failed', `The image would have ${layers.length} layers; ${LAYERS_MAX} are the most.`)
    const config = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.config, encodeJson(content))
    const manifestJson = {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers}
    const manifest = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.manifest, encodeJson(manifestJson))
    manifests.push({...manifest, platform: {architecture: content.architecture, os: content.os}})
    const sizeBytes = [manifest, config, ...layers].reduce((sum, part) => sum + part.size, 0)
    images.push({architecture: content.architecture, manifestDigest: manifest.digest, configDigest: config.digest, sizeBytes})
  }
  const index = await writeLayoutBlob(
    layoutDirectory,
    MEDIA_TYPE.index,
    encodeJson({schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests})
  )
  await writeLayoutIndex(layoutDirectory, index)
  return {indexDigest: index.digest, images, sizeBytes: index.size + Math.max(0, ...images.map((image) => image.sizeBytes))}
}

export function layerDescriptor(layer: Layer): Descriptor {
  return {mediaType: layer.mediaType, digest: layer.digest, size: layer.size}
}

/** Where in the folder the program lies, unless it is of the base. A name without a slash is looked for on the base's PATH. */
function programIn(workdir: string, name: string): string | undefined {
  const path = posix.relative(workdir, posix.resolve(workdir, name))
  return name.includes('/') && !path.startsWith('../') ? path : undefined
}

async function readBase(base: LocalImage, architecture: Architecture): Promise<{manifest: ImageManifest; config: ImageConfig}> {
  const manifest = manifestSchema.parse(JSON.parse((await readLayoutBlob(base.layoutDirectory, base.manifestDigest)).toString('utf8')))
  const config = parseImageConfig(await readLayoutBlob(base.layoutDirectory, manifest.config.digest))
  if (config.architecture !== architecture) {
    throw new CreoError('build_failed', `The base image is for ${config.architecture}, not for ${architecture}.`)
  }
  return {manifest, config}
}

async function linkBaseLayers(base: LocalImage, to: string, layers: readonly Descriptor[]): Promise<void> {
  if (base.layersInRegistry) return
  for (const layer of layers) await linkLayoutBlob(to, layer.digest, layoutBlobPath(base.layoutDirectory, layer.digest))
}

interface ConfigParts {
  readonly architecture: Architecture
  readonly workdir: string
  readonly base: ImageConfig | undefined
  readonly layers: readonly Layer[]
}

function configOf(options: BuildImageOptions, {architecture, workdir, base, layers}: ConfigParts): ImageConfig {
  const own = options.argv.length > 0
  return {
    architecture,
    os: 'linux',
    config: {
      User: base?.config?.User ?? FUNCTION_USER,
      Env: mergeEnv(base?.config?.Env ?? [], options.env),
      Entrypoint: own ? [...options.argv] : (base?.config?.Entrypoint ?? []),
      Cmd: own ? [] : (base?.config?.Cmd ?? []),
      WorkingDir: workdir
    },
    rootfs: {type: 'layers', diff_ids: [...(base?.rootfs.diff_ids ?? []), ...layers.map(({diffId}) => diffId)]}
  }
}

function mergeEnv(base: readonly string[], own: Readonly<Record<string, string>>): string[] {
  const merged = new Map(base.map((pair) => [pair.slice(0, Math.max(0, pair.indexOf('='))), pair]))
  for (const name of Object.keys(own).sort()) merged.set(name, `${name}=${own[name]}`)
  return [...merged.values()]
}

function checkedWorkdir(workdir: string): string {
  const normal = posix.normalize(workdir)
  if (posix.isAbsolute(workdir) && normal === workdir && workdir !== '/' && !workdir.endsWith('/')) return workdir
  throw new CreoError('build_failed', `"${workdir}" cannot be the working directory of an image.`, {
    hint: 'Write an absolute path such as /app.'
  })
}
