import {mkdir, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import type {BaseName} from '../../images/bases.ts'
import {FUNCTION_USER, layerDescriptor, writeImage} from '../../images/build-image.ts'
import type {Digest} from '../../images/digest.ts'
import {type Layer, packLayer} from '../../images/layer.ts'
import {fileEntry, SYSTEM_TEXTS, textEntry, withFolders} from '../../images/layer-entries.ts'
import type {Architecture} from '../../images/oci.ts'
import type {TarEntry} from '../../images/tar-writer.ts'
import {authoritiesOf} from './authorities.ts'
import {type LayerRecipe, RECIPES} from './recipes.ts'
import {treeEntries} from './tree-entries.ts'

/** The unpacked material of one architecture. */
export interface Material {
  readonly architecture: Architecture
  /** The folder of a Debian package, by its name. */
  readonly tree: (name: string) => string
  /** The folder of Node's package; undefined where the base has none. */
  readonly node: string | undefined
}

/** Writes a base as an OCI layout, and answers the digest of its index: the same material gives the same. */
export async function writeBase(
  name: BaseName,
  {
    materials,
    layoutDirectory,
    signal
  }: {readonly materials: readonly Material[]; readonly layoutDirectory: string; readonly signal: AbortSignal}
): Promise<Digest> {
  const recipe = RECIPES[name]
  await mkdir(layoutDirectory, {recursive: true})
  const images: Parameters<typeof writeImage>[0]['images'][number][] = []
  for (const material of materials) {
    const layers: Layer[] = []
    for (const layer of recipe.layers) {
      const entries = withFolders(await entriesOf(layer, material))
      layers.push(await packLayer({entries, compression: 'zstd', layoutDirectory, signal}))
    }
    const config = {User: FUNCTION_USER, Env: [...recipe.env], Entrypoint: [...recipe.entrypoint], Cmd: [], WorkingDir: '/'}
    const rootfs = {type: 'layers' as const, diff_ids: layers.map(({diffId}) => diffId)}
    images.push({config: {architecture: material.architecture, os: 'linux', config, rootfs}, layers: layers.map(layerDescriptor)})
  }
  return (await writeImage({layoutDirectory, images})).indexDigest
}

async function entriesOf(layer: LayerRecipe, {tree, node}: Material): Promise<readonly TarEntry[]> {
  const trees = await Promise.all(layer.packages.map((name) => treeEntries(tree(name))))
  const links = Object.entries(layer.links ?? {}).map(([path, target]): TarEntry => ({type: 'symlink', path, target}))
  const system = layer.system
    ? [...Object.entries(SYSTEM_TEXTS).map(([path, text]) => textEntry(path, text)), await authoritiesOf(tree('ca-certificates'))]
    : []
  const files = layer.node && node !== undefined ? await nodeEntries(node) : []
  return [...trees.flat(), ...links, ...system, ...files]
}

async function nodeEntries(folder: string): Promise<readonly TarEntry[]> {
  const licence = await readFile(join(folder, 'LICENSE'), 'utf8')
  const {size} = await stat(join(folder, 'bin/node'))
  return [fileEntry('usr/local/bin/node', join(folder, 'bin/node'), 0o755, size), textEntry('usr/share/doc/node/LICENSE', licence)]
}
