import {stat} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import {makeFolders} from '../config/make-folder.ts'
import {CreoError} from '../core/errors.ts'
import type {ManifestFunction} from '../core/manifest.ts'
import {hostArchitecture, nodeBase} from '../images/base-node.ts'
import {buildImage} from '../images/build-image.ts'
import {type Digest, isDigest} from '../images/digest.ts'
import {readLayoutRoot} from '../images/layout.ts'
import type {FoundManifest} from './read-manifest.ts'
import type {StepPort} from './steps.ts'

/** A function's image: in a layout on this machine, or in the registry already. */
export type FunctionImage = {readonly function: string; readonly digest: Digest} & (
  | {readonly in: 'layout'; readonly layoutDirectory: string; readonly sizeBytes: number | undefined}
  | {readonly in: 'registry'}
)

export interface BuildOptions {
  readonly found: FoundManifest
  /** Where each function's layout goes, in a folder of its name. */
  readonly outputDirectory: string
  /** Where bases are kept between builds. */
  readonly cacheDirectory: string
  readonly steps: StepPort
  readonly signal: AbortSignal
}

/**
 * Builds what has a `source`, finds what has an `image`.
 * @throws {CreoError} `build_failed`; `image_missing` when `image` names no layout; `data_dir_unwritable`.
 */
export async function buildFunctions(options: BuildOptions): Promise<readonly FunctionImage[]> {
  for (const folder of [options.outputDirectory, options.cacheDirectory]) makeFolders(resolve(folder), 'CREO_DATA_DIR')
  const images: FunctionImage[] = []
  for (const [name, fn] of Object.entries(options.found.manifest.functions)) {
    const image = fn.image === undefined ? await built(options, name, fn) : await given(options.found.folder, name, fn.image)
    images.push(image)
  }
  return images
}

async function built(
  {found, outputDirectory, cacheDirectory, steps, signal}: BuildOptions,
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
  return await steps.step(`Build ${name}`, async () => {
    const base = fn.base === 'scratch' ? 'scratch' : await nodeBase({cacheDirectory, signal})
    const layoutDirectory = join(outputDirectory, name)
    const image = await buildImage({base, folder, argv: fn.command, env: {}, architecture: hostArchitecture(), layoutDirectory, signal})
    return {function: name, in: 'layout', layoutDirectory, digest: image.indexDigest, sizeBytes: image.sizeBytes}
  })
}

async function given(folder: string, name: string, image: string): Promise<FunctionImage> {
  if (isDigest(image)) return {function: name, in: 'registry', digest: image}
  const layoutDirectory = resolve(folder, image)
  const isLayout = await stat(join(layoutDirectory, 'index.json'))
    .then((one) => one.isFile())
    .catch(() => false)
  if (!isLayout) {
    throw new CreoError('image_missing', `The image of ${name} is neither a digest nor an OCI layout: ${layoutDirectory}.`, {
      hint: 'Build it into an OCI layout, or use source: instead.'
    })
  }
  const {digest} = await readLayoutRoot(layoutDirectory)
  return {function: name, in: 'layout', layoutDirectory, digest, sizeBytes: undefined}
}
