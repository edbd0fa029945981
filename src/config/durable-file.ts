import {open, readFile, rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {CreoError} from '../core/errors.ts'

const FILE_BYTES_MAX = 64 * 2 ** 20
let written = 0

/** Replaces a file so that after a crash either the old or the new bytes are there: beside, fsync, rename, fsync of the folder. */
export async function writeFileDurably(path: string, bytes: string | Uint8Array, options: {readonly mode?: number} = {}): Promise<void> {
  written += 1
  const beside = `${path}.${process.pid}.${written}.new`
  try {
    const file = await open(beside, 'wx', options.mode ?? 0o600)
    try {
      await file.writeFile(bytes)
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

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
