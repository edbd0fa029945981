import {createReadStream} from 'node:fs'
import {rename, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {makePrivateFolder} from '../../config/data-directory.ts'
import {lockDirectory} from '../../config/directory-lock.ts'
import {cacheDirectory} from '../../config/paths.ts'
import {CreoError} from '../../core/errors.ts'
import {type BaseLock, type BaseName, baseDirectory, type PinnedPackage, readBaseLock} from '../../images/bases.ts'
import type {Digest} from '../../images/digest.ts'
import {executableArchitecture} from '../../images/elf.ts'
import type {Architecture} from '../../images/oci.ts'
import {type Material, writeBase} from './base-layers.ts'
import {debianMirrors} from './debian-mirrors.ts'
import {fetchPackage, unpackPackage} from './debian-package.ts'
import {fetchNode} from './node-package.ts'
import {precompile} from './precompile.ts'
import {RECIPES} from './recipes.ts'

export const ARCHITECTURES = ['amd64', 'arm64'] as const

export interface MakeBaseOptions {
  readonly name: BaseName
  /** Where bases are kept; the one that is made lies there afterwards. */
  readonly basesDirectory: string
  /** Told what is done now. */
  readonly note: (text: string) => void
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Other pins than those that this creo was made with. */
  readonly lock?: BaseLock
  /** Takes what comes out, whatever is pinned: to pin it. */
  readonly isNewPin?: boolean
  /** Bases that are made next: what they need as well stays. */
  readonly next?: readonly BaseName[]
  readonly signal: AbortSignal
}

/** Where packages are kept until the base is made, and where they are unpacked meanwhile. */
interface Places {
  readonly archives: string
  readonly trees: string
}

/**
 * Makes a base for both architectures from pinned packages, each digest checked, and that of what comes out. Packages stay until the base is made: one that
 * was stopped goes on.
 * @throws {CreoError} `unavailable` when packages can't be had; `digest_mismatch`; `build_failed`; `conflict` while another process makes bases.
 */
export async function makeBase(options: MakeBaseOptions): Promise<{readonly digest: Digest; readonly directory: string}> {
  const {name, basesDirectory, note, signal, env = process.env} = options
  const lock = options.lock ?? (await readBaseLock())
  const pinned = lock.bases[name]
  const layoutDirectory = join(basesDirectory, `.making-${name}`)
  const archives = join(cacheDirectory(env), 'base-parts')
  await makePrivateFolder(archives, 'XDG_CACHE_HOME')
  const release = await lockDirectory(archives)
  const places = {archives, trees: join(archives, 'trees')}
  try {
    // What a killed process left.
    for (const folder of [places.trees, layoutDirectory]) await rm(folder, {recursive: true, force: true})
    const materials = await gather(lock, {...options, env}, places)
    note('packing')
    const digest = await writeBase(name, {materials, layoutDirectory, signal})
    if (digest !== pinned && options.isNewPin !== true) throw differs(`creo/${name}`, pinned, digest)
    const directory = baseDirectory(basesDirectory, name, digest)
    await rm(directory, {recursive: true, force: true})
    await rename(layoutDirectory, directory)
    for (const {sha256} of pinsOf(lock, name, options.next)) await rm(join(archives, `${sha256}.deb`), {force: true})
    return {digest, directory}
  } finally {
    for (const folder of [places.trees, layoutDirectory]) await rm(folder, {recursive: true, force: true})
    await release()
  }
}

async function gather(
  lock: BaseLock,
  options: MakeBaseOptions & {readonly env: Readonly<Record<string, string | undefined>>},
  {archives, trees}: Places
): Promise<readonly Material[]> {
  const {name, note, signal} = options
  const sources = await debianMirrors(options.env, lock.debianSnapshot, signal)
  const materials: Material[] = []
  for (const architecture of ARCHITECTURES) {
    const tree = (one: string): string => join(trees, architecture, one)
    const names = packageNames(name)
    for (const [index, one] of names.entries()) {
      note(`${one} for ${architecture}, ${index + 1} of ${names.length}`)
      const file = await fetchPackage(pinOf(lock, architecture, one), {sources, folder: archives, signal})
      await unpackPackage(file, tree(one), signal)
    }
    const node = RECIPES[name].layers.some((layer) => layer.node) ? await pinnedNode(lock, architecture, {trees, note, signal}) : undefined
    materials.push({architecture, tree, node})
  }
  if (name === 'python') {
    note('compiling its library')
    await precompile(materials, trees, signal)
  }
  return materials
}

async function pinnedNode(
  {node: {version, integrity}}: BaseLock,
  architecture: Architecture,
  {trees, note, signal}: {readonly trees: string; readonly note: (text: string) => void; readonly signal: AbortSignal}
): Promise<string> {
  note(`Node ${version} for ${architecture}`)
  const found = await fetchNode({architecture, version, folder: join(trees, architecture), signal})
  if (found.integrity !== integrity[architecture]) throw differs(`Node for ${architecture}`, integrity[architecture], found.integrity)
  const compiledFor = await executableArchitecture(createReadStream(join(found.folder, 'bin/node')))
  if (compiledFor !== architecture) throw new CreoError('build_failed', `Node for ${architecture} is for ${compiledFor ?? 'no machine'}.`)
  return found.folder
}

function packageNames(name: BaseName): readonly string[] {
  return [...new Set(RECIPES[name].layers.flatMap(({packages}) => packages))]
}

/** What one base is made of and none of the others. */
function pinsOf(lock: BaseLock, name: BaseName, others: readonly BaseName[] = []): readonly PinnedPackage[] {
  const shared = new Set(others.flatMap(packageNames))
  const own = packageNames(name).filter((one) => !shared.has(one))
  return ARCHITECTURES.flatMap((architecture) => own.map((one) => pinOf(lock, architecture, one)))
}

function pinOf({packages}: BaseLock, architecture: Architecture, name: string): PinnedPackage {
  const pin = packages[architecture][name]
  if (pin === undefined) throw new CreoError('internal', `${name} is not pinned for ${architecture}.`)
  return pin
}

function differs(what: string, pinned: string, found: string): CreoError {
  return new CreoError('digest_mismatch', `${what} is pinned as ${pinned} and came out as ${found}.`, {
    hint: 'Bases come out the same under the Node that creo brings: use the packaged program, or npm run bases in a checkout.'
  })
}
