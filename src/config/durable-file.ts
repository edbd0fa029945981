import {type FileHandle, open, rename, rm} from 'node:fs/promises'
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
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    return await readBounded(file, path, bytesMax)
  } finally {
    await file.close()
  }
}

/** By what comes, not by what the file says of itself: a device says 0 and never ends. */
async function readBounded(file: FileHandle, path: string, bytesMax: number): Promise<Buffer> {
  const tooMuch = (bytes: string): CreoError => new CreoError('payload_too_large', `${path} has ${bytes} bytes; the most is ${bytesMax}.`)
  const {size} = await file.stat()
  if (size > bytesMax) throw tooMuch(String(size))
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of file.createReadStream({autoClose: false}) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) throw tooMuch(`more than ${bytesMax}`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
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
