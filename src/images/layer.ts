import {constants, createReadStream} from 'node:fs'
import {lstat, open, readdir, readFile, readlink} from 'node:fs/promises'
import {join, posix} from 'node:path'
import {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'
import {createGzip, createZstdCompress, constants as zlibConstants} from 'node:zlib'
import {CreoError} from '../core/errors.ts'
import {ByteMeter, type Digest, metered} from './digest.ts'
import {type IgnoreRule, parseIgnore} from './ignore.ts'
import {streamLayoutBlob} from './layout.ts'
import {MEDIA_TYPE} from './oci.ts'
import {type TarEntry, tarStream} from './tar-writer.ts'

export const FOLDER_ENTRIES_MAX = 50_000
export const FOLDER_BYTES_MAX = 1024 * 2 ** 20
const GZIP_LEVEL = 4
const ZSTD_LEVEL = 3
const READ_CHUNK_BYTES = 2 ** 18
/** zlib writes the operating system it runs on into byte 9; 255 means unknown, so every system writes the same layer. */
const GZIP_OS_OFFSET = 9
const GZIP_OS_UNKNOWN = 255

export interface Layer {
  readonly mediaType: string
  /** Of the compressed blob, which lies in the layout. */
  readonly digest: Digest
  /** Of the tar archive inside. */
  readonly diffId: Digest
  /** Compressed bytes. */
  readonly size: number
}

/**
 * Packs a folder as a layer below `prefix`. The same files give the same digest whenever, wherever and by whomever it is built.
 * @throws {CreoError} `build_failed` for a link that leaves the folder, for devices, sockets and pipes, and above the limits.
 */
export async function packFolder(options: {
  readonly folder: string
  readonly prefix: string
  readonly layoutDirectory: string
  readonly signal: AbortSignal
}): Promise<Layer> {
  const ignore = parseIgnore(await readIgnoreFile(options.folder))
  const entries = await listFolder(options.folder, options.prefix, ignore, options.signal)
  return packLayer({entries, compression: 'gzip', layoutDirectory: options.layoutDirectory, signal: options.signal})
}

/** Streams entries through compression into the layout. zstd is for large bases: half the time of gzip on both ends. */
export async function packLayer(options: {
  readonly entries: Iterable<TarEntry>
  readonly compression: 'gzip' | 'zstd'
  readonly layoutDirectory: string
  readonly signal: AbortSignal
}): Promise<Layer> {
  const meter = new ByteMeter()
  const compressor =
    options.compression === 'gzip'
      ? createGzip({level: GZIP_LEVEL})
      : createZstdCompress({params: {[zlibConstants.ZSTD_c_compressionLevel]: ZSTD_LEVEL}})
  const finish = options.compression === 'gzip' ? withoutSystem : asIs
  const stored = await pipeline(
    Readable.from(metered(tarStream(options.entries), meter), {objectMode: false}),
    compressor,
    (source: AsyncIterable<Buffer>) => streamLayoutBlob(options.layoutDirectory, finish(source), options.signal),
    {signal: options.signal}
  )
  const mediaType = options.compression === 'gzip' ? MEDIA_TYPE.layerGzip : MEDIA_TYPE.layerZstd
  return {mediaType, digest: stored.digest, diffId: meter.digest(), size: stored.size}
}

/** A file of this machine as a layer's entry; links are followed. */
export function fileEntry(path: string, hostPath: string, mode: number, size: number): TarEntry {
  return {type: 'file', path, mode, size, content: () => createReadStream(hostPath, {highWaterMark: READ_CHUNK_BYTES})}
}

async function readIgnoreFile(folder: string): Promise<string> {
  const path = join(folder, '.creoignore')
  const stats = await lstat(path).catch(() => undefined)
  return stats?.isFile() ? await readFile(path, 'utf8') : ''
}

interface Walk {
  readonly folder: string
  readonly prefix: string
  readonly ignore: IgnoreRule
  readonly signal: AbortSignal
  readonly entries: TarEntry[]
  bytes: number
}

async function listFolder(folder: string, prefix: string, ignore: IgnoreRule, signal: AbortSignal): Promise<readonly TarEntry[]> {
  const stats = await lstat(folder).catch(() => undefined)
  if (!stats?.isDirectory()) {
    throw new CreoError('build_failed', `"${folder}" is not a folder.`, {
      hint: 'Name the folder of the function in `source:` of creo.yaml.'
    })
  }
  const walk: Walk = {folder, prefix, ignore, signal, entries: [], bytes: 0}
  const parts = prefix.split('/').filter((part) => part !== '')
  for (let depth = 1; depth <= parts.length; depth += 1) {
    walk.entries.push({type: 'directory', path: parts.slice(0, depth).join('/'), mode: 0o755})
  }
  await walkInto(walk, '')
  return walk.entries
}

async function walkInto(walk: Walk, relative: string): Promise<void> {
  walk.signal.throwIfAborted()
  const names = await readdir(join(walk.folder, relative))
  for (const name of names.sort(byCodeUnit)) {
    const path = relative === '' ? name : `${relative}/${name}`
    const stats = await lstat(join(walk.folder, path))
    if (walk.ignore(path, stats.isDirectory())) continue
    walk.entries.push(await entryOf(walk, path, stats))
    assertWithinLimits(walk)
    if (stats.isDirectory()) await walkInto(walk, path)
  }
}

async function entryOf(walk: Walk, path: string, stats: Awaited<ReturnType<typeof lstat>>): Promise<TarEntry> {
  const inside = posix.join(walk.prefix, path)
  const hostPath = join(walk.folder, path)
  if (stats.isDirectory()) return {type: 'directory', path: inside, mode: 0o755}
  if (stats.isSymbolicLink()) return {type: 'symlink', path: inside, target: await readInnerLink(hostPath, path)}
  if (!stats.isFile()) {
    throw new CreoError('build_failed', `"${path}" is neither a file nor a folder nor a link.`, {hint: 'Name it in .creoignore.'})
  }
  const size = Number(stats.size)
  walk.bytes += size
  return {type: 'file', path: inside, mode: Number(stats.mode) & 0o111 ? 0o755 : 0o644, size, content: () => readUnlinked(hostPath)}
}

/** Reads a file, but not through a link that took its place after it was listed. */
async function* readUnlinked(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  yield* file.createReadStream({highWaterMark: READ_CHUNK_BYTES})
}

async function readInnerLink(hostPath: string, path: string): Promise<string> {
  const target = await readlink(hostPath)
  const resolved = posix.normalize(posix.join(posix.dirname(path), target))
  if (posix.isAbsolute(target) || resolved === '..' || resolved.startsWith('../')) {
    throw new CreoError('build_failed', `The link "${path}" points out of the folder, to "${target}".`, {
      hint: 'Copy what it points to into the folder, or name the link in .creoignore.'
    })
  }
  return target
}

function assertWithinLimits(walk: Walk): void {
  if (walk.entries.length > FOLDER_ENTRIES_MAX) {
    throw new CreoError('build_failed', `"${walk.folder}" has more than ${FOLDER_ENTRIES_MAX} files.`, {
      hint: 'Name in .creoignore what the function does not need.'
    })
  }
  if (walk.bytes > FOLDER_BYTES_MAX) {
    throw new CreoError('build_failed', `"${walk.folder}" is larger than ${FOLDER_BYTES_MAX / 2 ** 20} MiB.`, {
      hint: 'Name in .creoignore what the function does not need.'
    })
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

async function* withoutSystem(source: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let offset = 0
  for await (const chunk of source) {
    const position = GZIP_OS_OFFSET - offset
    if (position >= 0 && position < chunk.length) chunk[position] = GZIP_OS_UNKNOWN
    offset += chunk.length
    yield chunk
  }
}

async function* asIs(source: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  yield* source
}
