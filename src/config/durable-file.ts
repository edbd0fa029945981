import {type FileHandle, open, readFile, rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {CreoError} from '../core/errors.ts'

const FILE_BYTES_MAX = 64 * 2 ** 20
const PERMISSIONS = 0o7777
let written = 0

export interface FileAttributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/**
 * Replaces a file so that after a crash either the old or the new bytes are there: beside, fsync, rename, fsync of the folder. `mode` is what the umask
 * leaves of it; `exactly` is what the file has in the end, whatever the umask.
 */
export async function writeFileDurably(
  path: string,
  bytes: string | Uint8Array,
  options: {readonly mode?: number; readonly exactly?: FileAttributes} = {}
): Promise<void> {
  written += 1
  const beside = `${path}.${process.pid}.${written}.new`
  try {
    const file = await open(beside, 'wx', options.mode ?? 0o600)
    try {
      await file.writeFile(bytes)
      if (options.exactly) await setAttributes(file, options.exactly)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, {force: true})
    throw error
  }
  await syncFolder(dirname(path))
}

/** The bytes of a file, or undefined when there is none. @throws {CreoError} `payload_too_large` above `bytesMax`. */
export async function readFileIfThere(path: string, bytesMax: number = FILE_BYTES_MAX): Promise<Buffer | undefined> {
  try {
    const {size} = await stat(path)
    if (size > bytesMax) throw new CreoError('payload_too_large', `${path} has ${size} bytes; the most is ${bytesMax}.`)
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Only what differs: some file systems, as those of boot loaders, have owners and modes that nobody changes. */
async function setAttributes(file: FileHandle, {mode, uid, gid}: FileAttributes): Promise<void> {
  const now = await file.stat()
  if (now.uid !== uid || now.gid !== gid) await file.chown(uid, gid)
  if (((now.mode ^ mode) & PERMISSIONS) !== 0) await file.chmod(mode & PERMISSIONS)
}

/** Has a rename, a new name or a removal in this folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
