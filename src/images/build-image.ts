import {posix} from 'node:path'
import {CreoError} from '../core/errors.ts'
import type {Digest} from './digest.ts'
import {type Layer, packFolder} from './layer.ts'
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

/** An image in a layout directory on this machine, named by the manifest for one architecture. */
export interface LocalImage {
  readonly layoutDirectory: string
  readonly manifestDigest: Digest
}

export interface BuildImageOptions {
  /** The image below the function, or nothing at all. */
  readonly base: 'scratch' | LocalImage
  readonly folder: string
  /** The command line, taken from `workdir`; empty keeps the base's own. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Absolute path in the image where the folder is put and the command starts. */
  readonly workdir?: string
  readonly architecture: Architecture
  /** Where the OCI layout is written. */
  readonly layoutDirectory: string
  readonly signal: AbortSignal
}

export interface BuiltImage extends LocalImage {
  /** What is pushed and deployed: an index of one manifest per architecture. */
  readonly indexDigest: Digest
  readonly configDigest: Digest
  readonly appLayer: Layer
  /** Everything that a machine which has nothing of it must fetch. */
  readonly sizeBytes: number
}

const WORKDIR = '/app'
/** Who a function runs as when its base says nothing: no one that a host has. */
export const FUNCTION_USER = '65532:65532'

/**
 * Builds an image without a daemon: the base's layers and one layer made of the folder. The same input gives the same digests.
 * @throws {CreoError} `build_failed` for a folder that cannot be packed or a base of another architecture.
 */
export async function buildImage(options: BuildImageOptions): Promise<BuiltImage> {
  const {layoutDirectory} = options
  const workdir = checkedWorkdir(options.workdir ?? WORKDIR)
  const base = options.base === 'scratch' ? undefined : await readBase(options.base, options.architecture)
  const appLayer = await packFolder({folder: options.folder, prefix: workdir.slice(1), layoutDirectory, signal: options.signal})
  if (options.base !== 'scratch') await linkBaseLayers(options.base.layoutDirectory, layoutDirectory, base?.manifest.layers ?? [])
  const image = await writeImage({
    layoutDirectory,
    config: configOf(options, workdir, base?.config, appLayer),
    layers: [...(base?.manifest.layers ?? []), layerDescriptor(appLayer)]
  })
  return {...image, layoutDirectory, appLayer}
}

/** Writes config, manifest and index for layers that lie in the layout already, and finishes the layout. */
export async function writeImage(options: {
  readonly layoutDirectory: string
  readonly config: ImageConfig
  readonly layers: readonly Descriptor[]
}): Promise<{manifestDigest: Digest; indexDigest: Digest; configDigest: Digest; sizeBytes: number}> {
  const {layoutDirectory, layers} = options
  if (layers.length > LAYERS_MAX)
    throw new CreoError('build_failed', `The image would have ${layers.length} layers; ${LAYERS_MAX} are the most.`)
  const config = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.config, encodeJson(options.config))
  const manifestJson = {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers}
  const manifest = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.manifest, encodeJson(manifestJson))
  const platform = {architecture: options.config.architecture, os: options.config.os}
  const indexJson = {schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [{...manifest, platform}]}
  const index = await writeLayoutBlob(layoutDirectory, MEDIA_TYPE.index, encodeJson(indexJson))
  await writeLayoutIndex(layoutDirectory, index)
  const sizeBytes = [index, manifest, config, ...layers].reduce((sum, part) => sum + part.size, 0)
  return {manifestDigest: manifest.digest, indexDigest: index.digest, configDigest: config.digest, sizeBytes}
}

export function layerDescriptor(layer: Layer): Descriptor {
  return {mediaType: layer.mediaType, digest: layer.digest, size: layer.size}
}

async function readBase(base: LocalImage, architecture: Architecture): Promise<{manifest: ImageManifest; config: ImageConfig}> {
  const manifest = manifestSchema.parse(JSON.parse((await readLayoutBlob(base.layoutDirectory, base.manifestDigest)).toString('utf8')))
  const config = parseImageConfig(await readLayoutBlob(base.layoutDirectory, manifest.config.digest))
  if (config.architecture !== architecture) {
    throw new CreoError('build_failed', `The base image is for ${config.architecture}, not for ${architecture}.`)
  }
  return {manifest, config}
}

async function linkBaseLayers(from: string, to: string, layers: readonly Descriptor[]): Promise<void> {
  for (const layer of layers) await linkLayoutBlob(to, layer.digest, layoutBlobPath(from, layer.digest))
}

function configOf(options: BuildImageOptions, workdir: string, base: ImageConfig | undefined, layer: Layer): ImageConfig {
  const own = options.argv.length > 0
  return {
    architecture: options.architecture,
    os: 'linux',
    config: {
      User: base?.config?.User ?? FUNCTION_USER,
      Env: mergeEnv(base?.config?.Env ?? [], options.env),
      Entrypoint: own ? [...options.argv] : (base?.config?.Entrypoint ?? []),
      Cmd: own ? [] : (base?.config?.Cmd ?? []),
      WorkingDir: workdir
    },
    rootfs: {type: 'layers', diff_ids: [...(base?.rootfs.diff_ids ?? []), layer.diffId]}
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
