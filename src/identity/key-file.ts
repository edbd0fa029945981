import {randomBytes} from 'node:crypto'
import {link, mkdir, open, readFile, rename, rm, stat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {CreoError} from '../core/errors.ts'

const KEY_FILE_MODE = 0o600
const KEY_DIRECTORY_MODE = 0o700
const OTHERS_MASK = 0o077

/**
 * The text of a file that its owner alone may read.
 * @throws {CreoError} `not_found` when there is none; `forbidden` when others may read it.
 */
export async function readKeyText(path: string): Promise<string> {
  const found = await readIfThere(path)
  if (!found) throw new CreoError('not_found', `There is no key at ${path}.`, {hint: 'Make one, or name the right account with --as.'})
  if ((found.mode & OTHERS_MASK) !== 0) {
    throw new CreoError('forbidden', `The key file ${path} can be read by others on this machine.`, {hint: `chmod 600 ${path}`})
  }
  return found.text
}

/** Makes the file with the text of `make` unless it is there. Two processes that race end with the same file. */
export async function makeKeyText(path: string, make: () => string): Promise<void> {
  if (await readIfThere(path)) return
  await writeKeyText(path, make()).catch((error: unknown) => {
    if (!(error instanceof CreoError && error.code === 'conflict')) throw error
  })
}

/**
 * Writes a text so that it survives a power cut, readable by its owner alone. Never replaces another file.
 * @throws {CreoError} `conflict` when the file exists; `data_dir_unwritable` when it cannot be written.
 */
export async function writeKeyText(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    await mkdir(dirname(path), {recursive: true, mode: KEY_DIRECTORY_MODE})
    await writeSynced(beside, text)
    await link(beside, path).finally(() => rm(beside, {force: true}))
    await syncDirectory(dirname(path))
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') {
      throw new CreoError('conflict', `There is a key at ${path} already.`, {hint: 'Use it, or move it away first.', cause})
    }
    throw new CreoError('data_dir_unwritable', `The key ${path} cannot be written.`, {hint: `Make ${dirname(path)} writable.`, cause})
  }
}

/** Puts a key file in another's place, so that after a power cut one of the two is there whole. */
export async function replaceKeyFile(from: string, path: string): Promise<void> {
  try {
    await rename(from, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    throw new CreoError('data_dir_unwritable', `The key ${path} cannot be replaced.`, {hint: `Make ${dirname(path)} writable.`, cause})
  }
}

async function readIfThere(path: string): Promise<{text: string; mode: number} | undefined> {
  try {
    return {text: await readFile(path, 'utf8'), mode: (await stat(path)).mode}
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw new CreoError('invalid_input', `The key ${path} cannot be read.`, {hint: 'Check the path and its permissions.', cause})
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', KEY_FILE_MODE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
