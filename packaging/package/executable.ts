import {lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as wait} from 'node:timers/promises'
import {build} from 'esbuild'
import {lockDirectory} from '../../src/config/directory-lock.ts'
import {isCreoError} from '../../src/core/errors.ts'
import {packApp} from './app-archive.ts'
import {type Architecture, appFiles} from './app-files.ts'
import {nodeExecutable, nodeVersion, seedPkgCache} from './node-executables.ts'

/** Stands in the executable as the name of its code, so it must not depend on who builds it where. */
const ENTRY_FOLDER = '/tmp/creo-package-entry'
/** Of a mode: what anybody but the owner may do. */
const OTHERS = 0o077
/** While another packages, which takes some ten seconds. */
const LOOK_EVERY_MS = 500

type PkgSea = {
  readonly default: (
    entry: string,
    options: {
      readonly signature: false
      readonly targets: readonly {
        readonly nodeRange: string
        readonly platform: 'linux'
        readonly arch: Architecture
        readonly output: string
      }[]
      readonly seaConfig: Readonly<Record<string, unknown>>
    }
  ) => Promise<void>
}

/**
 * Makes `<output>/creo-linux-<architecture>` from a checkout that is compiled, by pkg's plain single executables: the small entry as its code, the program's
 * files as one compressed asset. The same checkout gives the same bytes.
 */
export async function makeExecutable(options: {
  readonly root: string
  readonly output: string
  readonly architecture: Architecture
  /** What the program knows of its publisher: the key that signs releases, in the form of minisign, and where they lie. */
  readonly published?: {readonly publicKey?: string; readonly url?: string}
  readonly signal: AbortSignal
}): Promise<string> {
  const {root, architecture, signal} = options
  const output = join(options.output, `creo-linux-${architecture}`)
  const scratch = mkdtempSync(join(tmpdir(), 'creo-package-'))
  try {
    const cache = join(root, '.creo', 'package')
    mkdirSync(cache, {recursive: true})
    const version = nodeVersion(root)
    const wanted = [...new Set<Architecture>([architecture, hostArchitecture()])]
    const executables = Object.fromEntries(
      await Promise.all(wanted.map(async (name) => [name, await nodeExecutable(root, cache, name, signal)] as const))
    )
    seedPkgCache(scratch, version, executables)
    const published = join(scratch, 'release.json')
    writeFileSync(published, JSON.stringify(options.published ?? {}))
    const {index, content} = packApp([...appFiles(root, architecture), {from: published, path: 'release.json'}])
    writeFileSync(join(scratch, 'index'), JSON.stringify(index))
    writeFileSync(join(scratch, 'content'), content)
    mkdirSync(options.output, {recursive: true})
    const targets = [{nodeRange: `node${version}`, platform: 'linux', arch: architecture, output}] as const
    const assets = {index: join(scratch, 'index'), content: join(scratch, 'content')}
    const leave = await enterEntryFolder(signal)
    try {
      await withHome(scratch, async () => {
        await pkgSea()(await writeEntry(root), {signature: false, targets, seaConfig: {useCodeCache: false, assets}})
      })
    } finally {
      await leave()
    }
  } finally {
    rmSync(scratch, {recursive: true, force: true})
  }
  return output
}

/** pkg makes its blob with the Node of the machine that it runs on. */
function hostArchitecture(): Architecture {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch
  throw new Error(`creo is packaged on x64 or arm64, not on ${process.arch}.`)
}

/** Waits until no other checkout of this machine packages: both would write the same entry. Answers how to leave. */
async function enterEntryFolder(signal: AbortSignal): Promise<() => Promise<void>> {
  mkdirSync(ENTRY_FOLDER, {recursive: true, mode: 0o700})
  const found = lstatSync(ENTRY_FOLDER)
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & OTHERS) !== 0)
    throw new Error(`${ENTRY_FOLDER} is another user's, or others can write there: what they put in it would be packed. Remove it.`)
  for (;;) {
    try {
      return await lockDirectory(ENTRY_FOLDER)
    } catch (error) {
      if (!isCreoError(error) || error.code !== 'conflict') throw error
    }
    await wait(LOOK_EVERY_MS, undefined, {signal})
  }
}

async function writeEntry(root: string): Promise<string> {
  const entry = join(ENTRY_FOLDER, 'entry.cjs')
  const source = join(root, 'packaging', 'package', 'entry.ts')
  await build({entryPoints: [source], outfile: entry, bundle: true, platform: 'node', format: 'cjs', target: 'node24', absWorkingDir: root})
  return entry
}

/** pkg's single executables with assets; its command line has no word for them. */
function pkgSea(): PkgSea['default'] {
  const module = createRequire(import.meta.url)('@yao-pkg/pkg/lib-es5/sea.js') as PkgSea
  return module.default
}

/** pkg looks for its cache below the home of whoever runs it. */
async function withHome(home: string, work: () => Promise<void>): Promise<void> {
  const before = process.env.HOME
  process.env.HOME = home
  try {
    await work()
  } finally {
    if (before === undefined) delete process.env.HOME
    else process.env.HOME = before
  }
}
