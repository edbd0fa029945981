import {stat} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {makeFolders} from '../config/make-folder.ts'
import {CreoError} from '../core/errors.ts'
import type {ManifestFunction} from '../core/manifest.ts'
import type {AssetListRef} from '../core/protocol/assets.ts'
import {buildImage} from '../images/build-image.ts'
import {type Digest, isDigest} from '../images/digest.ts'
import type {FolderLayer} from '../images/folder-layers.ts'
import {LayerCache} from '../images/layer-cache.ts'
import type {ImportedImage} from '../images/normal-form.ts'
import type {RegistryAccess} from '../images/thin-base.ts'
import {listAssets} from './asset-list.ts'
import type {MakeBaseOptions} from './bases/make-base.ts'
import {buildContainerfile} from './build-containerfile.ts'
import {ALL_ARCHITECTURES, withPlatforms} from './find-base.ts'
import {acquireImage} from './image-source.ts'
import type {FoundManifest} from './read-manifest.ts'
import {assertDependencies, assertProgram} from './source-checks.ts'
import type {StepPort} from './steps.ts'

/** A function's image: in a layout on this machine, or in the registry already. */
export type FunctionImage = {readonly function: string; readonly digest: Digest} & (
  | {
      readonly in: 'layout'
      readonly layoutDirectory: string
      readonly sizeBytes: number | undefined
      readonly architectures: readonly string[]
      /** Those that the image is not made for because its base is not here for them. */
      readonly lackingBase: readonly string[]
      /** The list of the files that it serves, where the manifest asks for one. */
      readonly assets: AssetListRef | undefined
      /** What became of the function's own files; none of an image that another tool built. */
      readonly layers: readonly FolderLayer[]
    }
  | {readonly in: 'registry'}
)

export interface BuildOptions {
  readonly found: FoundManifest
  /** Where each function's layout goes, in a folder of its name. */
  readonly outputDirectory: string
  /** creo's data folder: bases and layers are kept there between builds. */
  readonly dataDirectory: string
  /** The registry that the images will be pushed to, if it is known. */
  readonly registry?: RegistryAccess
  /** The network that it is built for, if it is known. */
  readonly networkId?: string
  /** Makes a base of creo's that is nowhere. */
  readonly assemble?: ((options: MakeBaseOptions) => Promise<unknown>) | undefined
  readonly steps: StepPort
  readonly signal: AbortSignal
}

/**
 * Builds what has a `source`, finds what has an `image`.
 * @throws {CreoError} `build_failed`; `image_missing` when `image` names no layout; `data_dir_unwritable`.
 */
export async function buildFunctions(options: BuildOptions): Promise<readonly FunctionImage[]> {
  for (const folder of [options.outputDirectory, join(options.dataDirectory, 'bases')]) makeFolders(resolve(folder), 'CREO_DATA_DIR')
  const images: FunctionImage[] = []
  for (const [name, fn] of Object.entries(options.found.manifest.functions)) {
    if (fn.image !== undefined && fn.assets !== undefined)
      throw new CreoError('build_failed', `${name} serves listed files: its image is built here, with the list.`, {
        hint: `Give functions.${name}.source, or take its assets out.`
      })
    const image = fn.image === undefined ? await built(options, name, fn) : await given(options, name, fn.image)
    images.push(image)
  }
  return images
}

async function built(
  {found, outputDirectory, dataDirectory, registry, networkId, assemble, steps, signal}: BuildOptions,
  name: string,
  fn: ManifestFunction
): Promise<FunctionImage> {
  const folder = resolve(found.folder, fn.source ?? '.')
  const isFolder = await stat(folder)
    .then((one) => one.isDirectory())
    .catch(() => false)
  if (!isFolder) {
    throw new CreoError('build_failed', `The source of ${name} is not a folder: ${folder}.`, {
      hint: `Mend functions.${name}.source in ${found.path}.`
    })
  }
  return await steps.step(`Build ${name}`, async (note) => {
    const layoutDirectory = join(outputDirectory, name)
    if (fn.containerfile !== undefined) {
      const containerfile = resolve(found.folder, fn.containerfile)
      const image = await buildContainerfile({containerfile, source: folder, layoutDirectory, dataDirectory, signal})
      return imported(name, layoutDirectory, image)
    }
    await assertDependencies(folder, fn.base)
    await assertProgram(folder, fn.base, fn.command)
    const cache = new LayerCache(join(dataDirectory, 'layers'))
    const wanted = {base: fn.base, folder: found.folder, dataDirectory, registry, assemble, note, signal}
    const listed = fn.assets && (await listAssets(folder, fn.assets, {networkId, signal}))
    const more = listed?.entries ?? []
    let lackingBase: readonly string[] = []
    const image = await withPlatforms(wanted, (platforms) => {
      note('')
      lackingBase = ALL_ARCHITECTURES.filter((one) => platforms.every(({architecture}) => architecture !== one))
      return buildImage({platforms, folder, more, argv: fn.command, env: {}, layoutDirectory, cache, signal})
    })
    const architectures = image.images.map(({architecture}) => architecture)
    const {indexDigest: digest, sizeBytes, layers} = image
    return {function: name, in: 'layout', layoutDirectory, digest, sizeBytes, architectures, lackingBase, layers, assets: listed?.ref}
  })
}

async function given(
  {found, outputDirectory, dataDirectory, steps, signal}: BuildOptions,
  name: string,
  image: string
): Promise<FunctionImage> {
  if (isDigest(image)) return {function: name, in: 'registry', digest: image}
  return await steps.step(`Fetch ${name}`, async () => {
    const layoutDirectory = join(outputDirectory, name)
    return imported(name, layoutDirectory, await acquireImage({image, folder: found.folder, layoutDirectory, dataDirectory, signal}))
  })
}

function imported(name: string, layoutDirectory: string, {digest, sizeBytes, platforms}: ImportedImage): FunctionImage {
  const architectures = platforms.map(({architecture}) => architecture)
  return {function: name, in: 'layout', layoutDirectory, digest, sizeBytes, architectures, lackingBase: [], layers: [], assets: undefined}
}
