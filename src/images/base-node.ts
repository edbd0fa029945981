import {createHash, randomUUID} from 'node:crypto'
import {mkdir, readdir, rename, rm, stat} from 'node:fs/promises'
import {createRequire} from 'node:module'
import {dirname, join} from 'node:path'
import {execa} from 'execa'
import {CreoError} from '../core/errors.ts'
import {FUNCTION_USER, type LocalImage, layerDescriptor, writeImage} from './build-image.ts'
import {digestFile} from './digest.ts'
import {packLayer} from './layer.ts'
import {fileEntry, SYSTEM_TEXTS, textEntry, withFolders} from './layer-entries.ts'
import {readLayoutBlob, readLayoutRoot} from './layout.ts'
import {type Architecture, indexSchema, pickArchitecture} from './oci.ts'
import type {TarEntry} from './tar-writer.ts'

/** Raised when the assembly below changes, so that a cached base of an older creo is not taken for the new one. */
const FORMAT = 'creo-node-1'
const BASES_KEPT = 3
const DIGESTS_KEPT = 256
const digests = new Map<string, string>()
const LDD_TIMEOUT_MS = 10_000
const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt'

export interface BaseImage extends LocalImage {
  readonly architecture: Architecture
  /** The Node version inside. */
  readonly version: string
}

interface HostFile {
  readonly path: string
  readonly hostPath: string
  readonly mode: number
  readonly size: number
}

/** The architecture of this machine, as OCI names it. @throws {CreoError} `build_failed` on a machine that creo has no base for. */
export function hostArchitecture(): Architecture {
  if (process.arch === 'x64') return 'amd64'
  if (process.arch === 'arm64') return 'arm64'
  throw new CreoError('build_failed', `creo has no base image for ${process.arch}.`, {hint: 'Build on an x86-64 or arm64 machine.'})
}

/**
 * The base image `creo/node` for this machine's architecture: the pinned Node executable, the shared libraries it needs, and the few files
 * in /etc that libraries read. Assembled without a daemon or a network, once; later calls find it in `cacheDirectory` by the hash of its content.
 * @throws {CreoError} `build_failed` when the Node package or one of its libraries is not on this machine.
 */
export async function nodeBase(options: {readonly cacheDirectory: string; readonly signal: AbortSignal}): Promise<BaseImage> {
  const architecture = hostArchitecture()
  const {executable, version} = locateNode()
  const files = await collectFiles(executable, options.signal)
  const key = await contentKey(files, options.signal)
  const layoutDirectory = join(options.cacheDirectory, `node-${architecture}-${key}`)
  const cached = await readCached(layoutDirectory, architecture)
  if (cached) return {...cached, architecture, version}
  const temporary = join(options.cacheDirectory, `.tmp-${randomUUID()}`)
  try {
    await assemble(temporary, files, architecture, options.signal)
    await rename(temporary, layoutDirectory).catch(ignoreLostRace)
  } finally {
    await rm(temporary, {recursive: true, force: true})
  }
  await dropOldBases(options.cacheDirectory, layoutDirectory)
  const made = await readCached(layoutDirectory, architecture)
  if (!made)
    throw new CreoError('build_failed', `The base image in "${layoutDirectory}" cannot be read.`, {
      hint: 'Remove that folder and build again.'
    })
  return {...made, architecture, version}
}

/** The packaged program has no Node but the one that it has unpacked of itself and runs on. */
function locateNode(): {executable: string; version: string} {
  const name = `node-linux-${process.arch}`
  const require = createRequire(import.meta.url)
  try {
    const packagePath = require.resolve(`${name}/package.json`)
    const {version} = require(packagePath) as {version: string}
    return {executable: join(dirname(packagePath), 'bin', 'node'), version}
  } catch (cause) {
    if (process.env.CREO_PACKAGED !== undefined) return {executable: process.execPath, version: process.versions.node}
    throw new CreoError('build_failed', `The package ${name}, which the base image is made of, is not installed.`, {
      hint: 'Install creo with its optional dependencies: npm install --include=optional',
      cause
    })
  }
}

async function collectFiles(executable: string, signal: AbortSignal): Promise<readonly HostFile[]> {
  const sources = [
    {path: 'usr/local/bin/node', hostPath: executable, mode: 0o755},
    ...(await sharedLibraries(executable, signal)).map((library) => ({path: library.slice(1), hostPath: library, mode: 0o755}))
  ]
  if (await stat(CA_BUNDLE).catch(() => undefined)) sources.push({path: CA_BUNDLE.slice(1), hostPath: CA_BUNDLE, mode: 0o644})
  return Promise.all(sources.map(async (source) => ({...source, size: (await stat(source.hostPath)).size})))
}

/** What the dynamic linker of this machine would load, the linker itself included. */
async function sharedLibraries(executable: string, signal: AbortSignal): Promise<readonly string[]> {
  let output: string
  try {
    const run = await execa('ldd', [executable], {env: {LC_ALL: 'C'}, cancelSignal: signal, timeout: LDD_TIMEOUT_MS})
    output = run.stdout
  } catch (cause) {
    throw new CreoError('build_failed', 'The libraries that Node needs could not be listed.', {
      hint: 'Install ldd (package libc-bin).',
      cause
    })
  }
  const missing = /^\s*(\S+) => not found$/m.exec(output)
  if (missing) throw new CreoError('build_failed', `Node needs ${missing[1]}, which this machine lacks.`, {hint: `Install ${missing[1]}.`})
  const found = [...output.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].flatMap((match) => match[1] ?? [])
  return [...new Set(found)].sort()
}

async function contentKey(files: readonly HostFile[], signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256').update(FORMAT)
  for (const file of files) hash.update(`${file.path} ${await digestOnce(file.hostPath, signal)}\n`)
  return hash.digest('hex').slice(0, 32)
}

/** A process that builds again and again reads a hundred megabytes once: until the file is another one, or was written to. */
async function digestOnce(path: string, signal: AbortSignal): Promise<string> {
  const {ino, size, mtimeMs, ctimeMs} = await stat(path)
  const key = [path, ino, size, mtimeMs, ctimeMs].join(' ')
  const known = digests.get(key)
  if (known !== undefined) return known
  const digest = await digestFile(path, signal)
  if (digests.size >= DIGESTS_KEPT) digests.clear()
  digests.set(key, digest)
  return digest
}

async function assemble(
  layoutDirectory: string,
  files: readonly HostFile[],
  architecture: Architecture,
  signal: AbortSignal
): Promise<void> {
  await mkdir(layoutDirectory, {recursive: true})
  const layer = await packLayer({entries: entriesOf(files), compression: 'zstd', layoutDirectory, signal})
  await writeImage({
    layoutDirectory,
    images: [
      {
        config: {
          architecture,
          os: 'linux',
          config: {
            User: FUNCTION_USER,
            Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/tmp', 'NODE_ENV=production'],
            Entrypoint: ['/usr/local/bin/node'],
            Cmd: [],
            WorkingDir: '/'
          },
          rootfs: {type: 'layers', diff_ids: [layer.diffId]}
        },
        layers: [layerDescriptor(layer)]
      }
    ]
  })
}

function entriesOf(files: readonly HostFile[]): readonly TarEntry[] {
  const texts = Object.entries(SYSTEM_TEXTS).map(([path, text]) => textEntry(path, text))
  return withFolders([...texts, ...files.map((file) => fileEntry(file.path, file.hostPath, file.mode, file.size))])
}

async function readCached(layoutDirectory: string, architecture: Architecture): Promise<LocalImage | undefined> {
  if (!(await stat(join(layoutDirectory, 'index.json')).catch(() => undefined))) return undefined
  const root = await readLayoutRoot(layoutDirectory)
  const index = indexSchema.parse(JSON.parse((await readLayoutBlob(layoutDirectory, root.digest)).toString('utf8')))
  return {layoutDirectory, manifestDigest: pickArchitecture(index, architecture).digest}
}

/** Another process may have put the same base there first: its content is the same by name. */
function ignoreLostRace(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
}

async function dropOldBases(cacheDirectory: string, current: string): Promise<void> {
  const names = (await readdir(cacheDirectory)).filter((name) => name.startsWith('node-'))
  const paths = names.map((name) => join(cacheDirectory, name)).filter((path) => path !== current)
  const aged = await Promise.all(paths.map(async (path) => ({path, changedMs: (await stat(path)).mtimeMs})))
  const surplus = aged.sort((a, b) => b.changedMs - a.changedMs).slice(BASES_KEPT - 1)
  for (const {path} of surplus) await rm(path, {recursive: true, force: true})
}
