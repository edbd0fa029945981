import {constants} from 'node:fs'
import {lstat, open, readdir, readFile, readlink} from 'node:fs/promises'
import {join, posix} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {type IgnoreRule, parseIgnore} from './ignore.ts'
import type {TarEntry} from './tar-writer.ts'

export const FOLDER_ENTRIES_MAX = 50_000
export const FOLDER_BYTES_MAX = 1024 * 2 ** 20
const READ_CHUNK_BYTES = 2 ** 18

/**
 * What of a folder goes into an image, with paths from the folder: sorted, folders before what is in them, without what `.creoignore` names.
 * @throws {CreoError} `build_failed` for a link that leaves the folder, for devices, sockets and pipes, and above the limits.
 */
export async function listFolder(folder: string, signal: AbortSignal): Promise<readonly TarEntry[]> {
  const stats = await lstat(folder).catch(() => undefined)
  if (!stats?.isDirectory()) {
    throw new CreoError('build_failed', `"${folder}" is not a folder.`, {
      hint: 'Name the folder of the function in `source:` of creo.yaml.'
    })
  }
  const walk: Walk = {folder, ignore: await readIgnore(folder), signal, entries: [], bytes: 0}
  await walkInto(walk, '')
  return walk.entries
}

interface Walk {
  readonly folder: string
  readonly ignore: IgnoreRule
  readonly signal: AbortSignal
  readonly entries: TarEntry[]
  bytes: number
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
  const hostPath = join(walk.folder, path)
  if (stats.isDirectory()) return {type: 'directory', path, mode: 0o755}
  if (stats.isSymbolicLink()) return {type: 'symlink', path, target: await readInnerLink(hostPath, path)}
  if (!stats.isFile()) {
    throw new CreoError('build_failed', `"${path}" is neither a file nor a folder nor a link.`, {hint: 'Name it in .creoignore.'})
  }
  const size = Number(stats.size)
  walk.bytes += size
  return {type: 'file', path, mode: Number(stats.mode) & 0o111 ? 0o755 : 0o644, size, content: () => readUnlinked(hostPath)}
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

/** What `.creoignore` of a folder keeps out of its image. */
export async function readIgnore(folder: string): Promise<IgnoreRule> {
  const path = join(folder, '.creoignore')
  const stats = await lstat(path).catch(() => undefined)
  return parseIgnore(stats?.isFile() ? await readFile(path, 'utf8') : '')
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
