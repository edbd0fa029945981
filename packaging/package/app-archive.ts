import {createHash} from 'node:crypto'
import {lstatSync, readdirSync, readFileSync, realpathSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {constants, zstdCompressSync} from 'node:zlib'

/** zstd's own scale; above it the time doubles for a hundredth. */
const COMPRESSION_LEVEL = 12
/** Folders below folders; links that lead in circles end here. */
const DEPTH_MAX = 40
const ID_LENGTH = 32
/** Programs of their own among the packages. */
const TOOLS = /^node_modules\/(npm|yarn)\//

/** One file of the program. `path` has slashes and never leads out; `sha256` is hexadecimal. */
export type AppFile = {readonly path: string; readonly executable: boolean; readonly size: number; readonly sha256: string}
/**
 * What the program consists of. `id` is the hash of all files in here, and so of every byte of them. `folders` has those that any start loads code from, below the
 * program's: not those of npm and yarn, which are programs of their own, have most of the folders, and run for plugins alone.
 */
export type AppIndex = {readonly id: string; readonly files: readonly AppFile[]; readonly folders: readonly string[]}

/** A file on the way into the archive: where it lies now, and where it shall lie. */
export type AppSource = {readonly from: string; readonly path: string}

/**
 * Packs files into one compressed block and an index of it: the contents in the order of their paths, one after the other, with no times and no owners,
 * so that the same files give the same bytes.
 */
export function packApp(sources: readonly AppSource[]): {readonly index: AppIndex; readonly content: Buffer} {
  const sorted = [...sources].sort((a, b) => (a.path < b.path ? -1 : 1))
  const contents = sorted.map(({from}) => readFileSync(from))
  const files = sorted.map(({from, path}, position): AppFile => {
    const content = contents[position] ?? Buffer.alloc(0)
    return {path, executable: (lstatSync(realpathSync(from)).mode & 0o100) !== 0, size: content.length, sha256: sha256(content)}
  })
  const params = {[constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL, [constants.ZSTD_c_enableLongDistanceMatching]: 1}
  return {
    index: {id: idOf(files), files, folders: foldersOf(files.filter(({path}) => !TOOLS.test(path)))},
    content: zstdCompressSync(Buffer.concat(contents), {params})
  }
}

/** Everything below a folder that `keep` lets through, links followed, with `prefix` in front of its path. */
export function sourcesBelow(folder: string, prefix: string, keep: (path: string) => boolean = () => true): AppSource[] {
  const walk = (path: string, depth: number): AppSource[] => {
    if (depth > DEPTH_MAX) throw new Error(`${path} lies deeper than ${DEPTH_MAX} folders.`)
    return readdirSync(join(folder, path), {withFileTypes: true}).flatMap((entry): AppSource[] => {
      const below = path === '' ? entry.name : `${path}/${entry.name}`
      if (!keep(below)) return []
      const from = join(folder, below)
      const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && lstatSync(realpathSync(from)).isDirectory())
      return isFolder ? walk(below, depth + 1) : [{from, path: prefix === '' ? below : `${prefix}/${below}`}]
    })
  }
  return walk('', 0)
}

/** The folders of files, theirs above included. */
export function foldersOf(files: readonly Pick<AppFile, 'path'>[]): readonly string[] {
  const folders = new Set<string>()
  for (const {path} of files)
    for (let folder = dirname(path); folder !== '.' && !folders.has(folder); folder = dirname(folder)) folders.add(folder)
  return [...folders]
}

export function idOf(files: readonly AppFile[]): string {
  return sha256(Buffer.from(JSON.stringify(files))).slice(0, ID_LENGTH)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
