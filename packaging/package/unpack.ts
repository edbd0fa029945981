import {createHash, randomBytes} from 'node:crypto'
import * as fs from 'node:fs'
import {dirname, join} from 'node:path'
import {zstdDecompressSync} from 'node:zlib'
import {type AppFile, type AppIndex, foldersOf} from './app-archive.ts'

/** What every folder's time is set to once all is in it. Whatever is added or deleted there changes it, which is all that a start has to look at. */
const FOLDER_TIME_S = 1_000_000_000
/** How much of the executable is looked through at a time. */
const SCAN_BYTES = 4 * 1024 * 1024
/** What makes Node an executable of its own; put together here, since it must stand in the executable once. */
const FUSE = ['NODE_SEA', 'FUSE', 'fce680ab2cc467b6e072b8b5df1996b2:'].join('_')
/** Bits of a folder's mode: who but its owner may write there. Many systems give each user a group of their own, which their folders are open to. */
const GROUP = 0o020
const OTHERS = 0o002
/** Where the kernel says since which start of the machine it runs. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

export type Packed = {
  readonly index: AppIndex
  /** Only asked for when something has to be written. */
  readonly content: () => Uint8Array
  /** The executable that all of this is in. */
  readonly executable: string
  /** Whether npm and yarn may be run, so that their folders are looked at too. */
  readonly withTools: boolean
}
/** `app` has the files; `node` is the same executable as Node and nothing else, for programs that a script starts. */
export type Unpacked = {readonly app: string; readonly node: string; readonly unpacked: boolean}

/** A file that is not what was packed: the executable was damaged. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError'
}

/**
 * Has the program's files in `<programs>/<id>` and answers where. Any number of processes may do so at once, and any may be killed at any instant: the files
 * are written into a folder beside, which then gets its name. One that is there is looked at by its folders' times at each start (those of npm and yarn where they may run) and by every byte at the
 * first after the machine's; what is missing or differs is put back.
 */
export function unpack(programs: string, packed: Packed): Unpacked {
  makeFolders(programs)
  // Whoever has the folder above could put another in the place of this one, also under a program that runs.
  assertOurs(dirname(programs), OTHERS)
  assertOurs(programs)
  const folder = join(programs, packed.index.id)
  const unpacked = !fs.existsSync(folder)
  if (unpacked) writeAnew(programs, folder, packed)
  else if (!isWhole(folder, packed)) repair(folder, packed)
  holdOpen(folder)
  return {app: join(folder, 'app'), node: join(folder, 'bin', 'node'), unpacked}
}

/** Like mkdir -p. Node's own goes round for ever where a folder that is there takes none, as in /proc. */
export function makeFolders(path: string): void {
  if (fs.existsSync(path)) return
  makeFolders(dirname(path))
  try {
    fs.mkdirSync(path, {mode: 0o700})
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Others could else put their code where ours is looked for. `writable` is who else may not write there. */
export function assertOurs(folder: string, writable: number = GROUP | OTHERS): void {
  const {uid, mode} = fs.lstatSync(folder)
  if (uid === process.getuid?.() && (mode & writable) === 0) return
  throw Object.assign(new Error(`${folder} can be written by others`), {code: 'EACCES'})
}

function writeAnew(programs: string, folder: string, packed: Packed): void {
  const beside = join(programs, `.new-${process.pid}-${randomBytes(6).toString('hex')}`)
  try {
    writeFiles(beside, packed, packed.index.files)
    writeNode(beside, packed.executable)
    seal(beside, packed.index)
    fs.renameSync(beside, folder)
  } catch (error) {
    fs.rmSync(beside, {recursive: true, force: true})
    // Another process was first.
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

function repair(folder: string, packed: Packed): void {
  const damaged = packed.index.files.filter((file) => !isIntact(join(folder, 'app', file.path), file))
  if (damaged.length > 0) writeFiles(folder, packed, damaged)
  if (!isNode(join(folder, 'bin', 'node'), packed.executable)) writeNode(folder, packed.executable)
  seal(folder, packed.index)
}

/** Writes each beside its place first: other processes may be about to read it. */
function writeFiles(folder: string, packed: Packed, wanted: readonly AppFile[]): void {
  const {files} = packed.index
  const bytes = files.reduce((sum, {size}) => sum + size, 0)
  const all = decompressed(packed.content(), bytes)
  if (all.length !== bytes) throw new DamagedError('what is packed in it has another length')
  const paths = new Set(wanted.map(({path}) => path))
  let offset = 0
  for (const file of files) {
    const content = all.subarray(offset, offset + file.size)
    offset += file.size
    if (!paths.has(file.path)) continue
    if (createHash('sha256').update(content).digest('hex') !== file.sha256)
      throw new DamagedError(`${file.path} in it is not what was packed`)
    replace(join(folder, 'app', file.path), (beside) => fs.writeFileSync(beside, content, {mode: file.executable ? 0o700 : 0o600}))
  }
}

function decompressed(content: Uint8Array, bytes: number): Buffer {
  try {
    return zstdDecompressSync(content, {maxOutputLength: Math.max(1, bytes)})
  } catch (cause) {
    throw new DamagedError('what is packed in it can’t be unpacked', {cause})
  }
}

/** A copy of the executable whose fuse says that it is Node alone. */
function writeNode(folder: string, executable: string): void {
  replace(join(folder, 'bin', 'node'), (beside) => {
    fs.copyFileSync(executable, beside, fs.constants.COPYFILE_FICLONE)
    fs.chmodSync(beside, 0o700)
    const file = fs.openSync(beside, 'r+')
    try {
      const at = fuseOffset(file)
      if (at !== undefined) fs.writeSync(file, '0', at)
      fs.fsyncSync(file)
    } finally {
      fs.closeSync(file)
    }
  })
}

function fuseOffset(file: number): number | undefined {
  const buffer = Buffer.alloc(SCAN_BYTES)
  const {size} = fs.fstatSync(file)
  for (let position = 0; position < size; position += SCAN_BYTES - FUSE.length) {
    const bytes = fs.readSync(file, buffer, 0, SCAN_BYTES, position)
    const found = buffer.subarray(0, bytes).indexOf(FUSE)
    if (found !== -1 && found + FUSE.length < bytes) return position + found + FUSE.length
  }
  return undefined
}

function replace(path: string, write: (beside: string) => void): void {
  fs.mkdirSync(dirname(path), {recursive: true, mode: 0o700})
  const beside = `${path}.${process.pid}`
  try {
    write(beside)
    if (fs.lstatSync(path, {throwIfNoEntry: false})?.isDirectory()) fs.rmSync(path, {recursive: true, force: true})
    fs.renameSync(beside, path)
  } catch (error) {
    fs.rmSync(beside, {force: true})
    throw error
  }
}

/** Says in `<folder>/checked` since which start of the machine all of it is known to be whole, and sets the folders' times. */
function seal(folder: string, index: AppIndex): void {
  replace(join(folder, 'checked'), (beside) => fs.writeFileSync(beside, bootId(), {mode: 0o600}))
  for (const path of allFolders(index)) fs.utimesSync(join(folder, path), FOLDER_TIME_S, FOLDER_TIME_S)
}

function isWhole(folder: string, {index, withTools}: Packed): boolean {
  try {
    if (fs.readFileSync(join(folder, 'checked'), 'utf8') !== bootId()) return false
  } catch {
    return false
  }
  const folders = withTools ? allFolders(index) : ['bin', 'app', ...index.folders.map((path) => `app/${path}`)]
  return folders.every((path) => fs.lstatSync(join(folder, path), {throwIfNoEntry: false})?.mtimeMs === FOLDER_TIME_S * 1000)
}

function isIntact(path: string, file: AppFile): boolean {
  const stats = fs.lstatSync(path, {throwIfNoEntry: false})
  if (stats?.isFile() !== true || stats.size !== file.size) return false
  return createHash('sha256').update(fs.readFileSync(path)).digest('hex') === file.sha256
}

function isNode(path: string, executable: string): boolean {
  return fs.lstatSync(path, {throwIfNoEntry: false})?.size === fs.statSync(executable).size
}

function allFolders({files}: AppIndex): readonly string[] {
  return ['bin', 'app', ...foldersOf(files).map((path) => `app/${path}`)]
}

function bootId(): string {
  try {
    return fs.readFileSync(BOOT_ID, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Until this process ends, so that `collect` of another version sees that this one is in use. */
function holdOpen(folder: string): void {
  fs.openSync(join(folder, 'checked'), 'r')
}
